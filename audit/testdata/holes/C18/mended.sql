REVOKE pg_read_server_files, pg_execute_server_program FROM {{app}};
