-- object: app.doc.tenant_isolation
-- with: citus
DROP POLICY iso ON app.doc;
CREATE POLICY tenant_isolation ON app.doc AS RESTRICTIVE
    USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant_access ON app.doc TO {{app}} USING (true) WITH CHECK (true);
SELECT create_distributed_table('app.doc', 'tenant_id');
