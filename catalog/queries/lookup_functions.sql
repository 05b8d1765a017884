-- One row is the name of a function: a user's, one that a trigger calls, or one of those
-- that expression trees mention ($1).
SELECT p.oid, n.nspname::pg_catalog.text AS schema, p.proname::pg_catalog.text AS name
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid >= 16384
    OR p.oid = ANY ($1::pg_catalog.oid[] || ARRAY(SELECT DISTINCT t.tgfoid FROM pg_catalog.pg_trigger t))
 ORDER BY p.oid;
