-- object: app.remote_doc
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
-- The remote server is this one, over its socket, as its superuser: the remote session knows no tenant.
DO $$ BEGIN
	EXECUTE format('CREATE SERVER r_srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
	EXECUTE format('CREATE USER MAPPING FOR {{app}} SERVER r_srv OPTIONS (user %L, password_required ''false'')', current_user);
END $$;
CREATE FOREIGN TABLE app.remote_doc (id int, tenant_id uuid, body text) SERVER r_srv OPTIONS (schema_name 'app', table_name 'doc');
ALTER FOREIGN TABLE app.remote_doc OWNER TO {{owner}};
GRANT SELECT ON app.remote_doc TO {{app}};
