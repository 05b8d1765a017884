DROP POLICY tenant_isolation ON app.doc;
CREATE POLICY tenant_isolation ON app.doc AS RESTRICTIVE USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
