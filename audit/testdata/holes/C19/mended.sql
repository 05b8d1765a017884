REVOKE pg_read_all_data FROM {{app}};
