-- object: {{owner}}
-- role: mover NOLOGIN BYPASSRLS
-- with: citus
ALTER POLICY iso ON app.doc USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
SELECT create_distributed_table('app.doc', 'tenant_id');
