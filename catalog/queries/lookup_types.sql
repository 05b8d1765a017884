-- One row is a type, of those that expression trees mention ($1).
SELECT t.oid, pg_catalog.format_type(t.oid, NULL) AS name
  FROM pg_catalog.pg_type t
 WHERE t.oid = ANY ($1)
 ORDER BY t.oid;
