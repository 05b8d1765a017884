-- One row: the server, the connected database and the role that looks.
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version,
       pg_catalog.current_setting('server_version') ~ '^[0-9]+(devel|alpha|beta|rc)' AS prerelease,
       current_user::pg_catalog.text AS user_name,
       d.datname::pg_catalog.text AS name,
       pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text AS owner,
       coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))::pg_catalog.text[] AS acl
  FROM pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database()
 ORDER BY d.datname;
