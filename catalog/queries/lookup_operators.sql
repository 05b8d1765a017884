-- One row is an operator: a user's, one of an exclusion constraint, or one of those that
-- expression trees mention ($1).
SELECT o.oid, n.nspname::pg_catalog.text AS schema, o.oprname::pg_catalog.text AS name,
       o.oprcode::pg_catalog.oid AS code,
       EXISTS (SELECT 1 FROM pg_catalog.pg_depend x
                WHERE x.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND x.objid = o.oid
                  AND x.deptype = 'e') AS extension
  FROM pg_catalog.pg_operator o
  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 WHERE o.oid >= 16384
    OR o.oid = ANY ($1::pg_catalog.oid[] || ARRAY(SELECT u.operator FROM pg_catalog.pg_constraint c,
                    pg_catalog.unnest(c.conexclop) AS u(operator)))
 ORDER BY o.oid;
