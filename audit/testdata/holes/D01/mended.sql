DROP POLICY tenant_access ON app.doc;
DROP POLICY tenant_isolation ON app.doc;
CREATE POLICY tenant_isolation ON app.doc
    USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
