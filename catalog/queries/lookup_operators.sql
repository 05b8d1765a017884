-- One row is an operator, for resolving the numbers in expression trees.
SELECT o.oid, n.nspname::pg_catalog.text AS schema, o.oprname::pg_catalog.text AS name,
       o.oprcode::pg_catalog.oid AS code,
       EXISTS (SELECT 1 FROM pg_catalog.pg_depend x
                WHERE x.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND x.objid = o.oid
                  AND x.deptype = 'e') AS extension
  FROM pg_catalog.pg_operator o
  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 ORDER BY o.oid;
