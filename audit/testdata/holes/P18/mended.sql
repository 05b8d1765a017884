DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY shared ON app.doc FOR SELECT USING (tenant_id IS NULL);
