-- object: app.note
-- with: citus
ALTER POLICY iso ON app.doc USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
CREATE TABLE app.note (id int NOT NULL, tenant_id uuid NOT NULL, body text, PRIMARY KEY (tenant_id, id));
ALTER TABLE app.note OWNER TO {{owner}};
CREATE POLICY iso ON app.note USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
ALTER TABLE app.note ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.note FORCE ROW LEVEL SECURITY;
GRANT SELECT ON app.note TO {{app}};
SELECT create_distributed_table('app.doc', 'tenant_id');
