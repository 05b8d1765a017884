-- One row is a collation that a column of a user's table uses.
SELECT n.nspname::pg_catalog.text AS schema, o.collname::pg_catalog.text AS name,
       o.collisdeterministic AS deterministic
  FROM pg_catalog.pg_collation o
  JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace
 WHERE o.oid IN (SELECT a.attcollation
                   FROM pg_catalog.pg_attribute a
                   JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
                   JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
                  WHERE cn.nspname <> 'information_schema' AND cn.nspname !~ '^pg_'
                    AND NOT a.attisdropped)
 ORDER BY 1, 2;
