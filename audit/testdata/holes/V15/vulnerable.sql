-- object: app.remote_doc
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER r_srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'elsewhere');
CREATE USER MAPPING FOR {{app}} SERVER r_srv OPTIONS (user 'postgres', password 'x');
CREATE FOREIGN TABLE app.remote_doc (id int, tenant_id uuid, body text) SERVER r_srv;
ALTER FOREIGN TABLE app.remote_doc OWNER TO {{owner}};
GRANT SELECT ON app.remote_doc TO {{app}};
