-- One row is a role of the cluster.
SELECT r.oid, r.rolname::pg_catalog.text AS name, r.rolsuper AS super, r.rolbypassrls AS bypass_rls,
       r.rolcreaterole AS create_role, r.rolcreatedb AS create_db, r.rolreplication AS replication,
       r.rolcanlogin AS login, r.rolinherit AS inherit, r.oid = 10 AS bootstrap
  FROM pg_catalog.pg_roles r
 ORDER BY r.rolname;
