-- One row is a type, for resolving the numbers in expression trees.
SELECT t.oid, pg_catalog.format_type(t.oid, NULL) AS name
  FROM pg_catalog.pg_type t
 WHERE t.typrelid = 0 OR t.typtype = 'c'
 ORDER BY t.oid;
