-- object: app.ev_old
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
-- The remote server is this one, over its socket, as its superuser: the remote session knows no tenant.
DO $$ BEGIN
	EXECUTE format('CREATE SERVER r_srv FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
	EXECUTE format('CREATE USER MAPPING FOR {{app}} SERVER r_srv OPTIONS (user %L, password_required ''false'')', current_user);
	EXECUTE format('CREATE USER MAPPING FOR {{owner}} SERVER r_srv OPTIONS (user %L, password_required ''false'')', current_user);
END $$;
CREATE SCHEMA archive;
CREATE TABLE archive.ev_old (id int NOT NULL, tenant_id uuid NOT NULL, body text);
INSERT INTO archive.ev_old VALUES (101, '11111111-1111-1111-1111-111111111111', 'a old event'), (102, '22222222-2222-2222-2222-222222222222', 'b old event');
CREATE TABLE app.ev (id int NOT NULL, tenant_id uuid NOT NULL, body text) PARTITION BY RANGE (id);
CREATE TABLE app.ev_1 PARTITION OF app.ev FOR VALUES FROM (0) TO (100);
CREATE FOREIGN TABLE app.ev_old PARTITION OF app.ev FOR VALUES FROM (100) TO (200) SERVER r_srv OPTIONS (schema_name 'archive');
INSERT INTO app.ev VALUES (1, '11111111-1111-1111-1111-111111111111', 'a event'), (2, '22222222-2222-2222-2222-222222222222', 'b event');
ALTER TABLE app.ev OWNER TO {{owner}};
ALTER TABLE app.ev_1 OWNER TO {{owner}};
ALTER FOREIGN TABLE app.ev_old OWNER TO {{owner}};
CREATE INDEX ev_1_tenant ON app.ev_1 (tenant_id);
CREATE POLICY iso ON app.ev USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
ALTER TABLE app.ev ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.ev FORCE ROW LEVEL SECURITY;
ALTER TABLE app.ev_1 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.ev_1 FORCE ROW LEVEL SECURITY;
GRANT SELECT ON app.ev, app.ev_old TO {{app}};
