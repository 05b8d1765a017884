REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(int), pg_catalog.pg_stat_get_backend_activity(int) FROM PUBLIC;
