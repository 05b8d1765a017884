-- One row is a user mapping: the local role that may speak to a foreign server.
SELECT m.srvname::pg_catalog.text AS server,
       CASE WHEN m.umuser = 0 THEN '' ELSE m.usename::pg_catalog.text END AS role
  FROM pg_catalog.pg_user_mappings m
 ORDER BY 1, 2;
