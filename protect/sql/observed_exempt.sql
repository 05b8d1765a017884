-- One row for each login role that no policy binds and that therefore is not observed.
SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolcanlogin AND (rolsuper OR rolbypassrls) ORDER BY 1
