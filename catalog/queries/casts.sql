-- One row is a cast by a function between a domain of a user's schema and json or text.
SELECT n.nspname::pg_catalog.text AS schema, d.typname::pg_catalog.text AS name,
       c.casttarget = d.oid AS into, o.typname::pg_catalog.text AS other, c.castfunc AS function_oid
  FROM pg_catalog.pg_cast c
  JOIN pg_catalog.pg_type d ON d.typtype = 'd' AND d.oid IN (c.castsource, c.casttarget)
  JOIN pg_catalog.pg_namespace n ON n.oid = d.typnamespace
  JOIN pg_catalog.pg_type o ON o.oid = CASE WHEN c.casttarget = d.oid THEN c.castsource ELSE c.casttarget END
       AND o.typname IN ('json', 'text') AND o.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
 WHERE c.castmethod = 'f' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 ORDER BY 1, 2, 3, 4;
