-- object: app.doc
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc FOR SELECT USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
