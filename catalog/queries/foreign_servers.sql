-- One row is a foreign server. Options are left out: they hold passwords.
SELECT s.srvname::pg_catalog.text AS name, w.fdwname::pg_catalog.text AS wrapper,
       pg_catalog.pg_get_userbyid(s.srvowner)::pg_catalog.text AS owner,
       coalesce(s.srvacl, pg_catalog.acldefault('S', s.srvowner))::pg_catalog.text[] AS acl
  FROM pg_catalog.pg_foreign_server s
  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 ORDER BY s.srvname;
