-- One row is the name of a function, for resolving the numbers in expression trees.
SELECT p.oid, n.nspname::pg_catalog.text AS schema, p.proname::pg_catalog.text AS name
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 ORDER BY p.oid;
