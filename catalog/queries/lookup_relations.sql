-- One row is the name of a relation outside the user's schemas, for resolving
-- the numbers in expression trees.
SELECT c.oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (n.nspname = 'information_schema' OR n.nspname ~ '^pg_') AND c.relkind IN ('r', 'v', 'p', 'm', 'f')
 ORDER BY c.oid;
