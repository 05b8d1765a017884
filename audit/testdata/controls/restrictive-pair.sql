DROP POLICY iso ON app.doc;
CREATE POLICY tenant_isolation ON app.doc AS RESTRICTIVE USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY tenant_access ON app.doc TO {{app}} USING (true) WITH CHECK (true);
