REVOKE EXECUTE ON FUNCTION pg_catalog.pg_terminate_backend(int, bigint), pg_catalog.pg_cancel_backend(int) FROM PUBLIC;
