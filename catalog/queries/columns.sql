-- One row is a column, not dropped, of a relation of a user's schema.
SELECT a.attrelid AS relation, a.attnum AS num, a.attname::pg_catalog.text AS name,
       nullif(pg_catalog.format_type(a.atttypid, a.atttypmod), '???') AS type, -- NULL: gone
       tn.nspname::pg_catalog.text AS type_schema, t.typname::pg_catalog.text AS type_base,
       a.attnotnull AS not_null,
       CASE WHEN a.atthasdef THEN pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) ELSE '' END AS default_text,
       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' ELSE '' END AS identity,
       CASE a.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' ELSE '' END AS generated,
       CASE WHEN a.attcollation <> t.typcollation THEN coalesce(cn.nspname || '.' || co.collname, '') ELSE '' END AS collation,
       coalesce(d.description, '') AS comment,
       coalesce(a.attacl::pg_catalog.text[], '{}') AS acl
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_attrdef ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
  LEFT JOIN pg_catalog.pg_description d ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objoid = a.attrelid AND d.objsubid = a.attnum
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY n.nspname, c.relname, a.attnum;
