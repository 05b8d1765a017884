-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id IN (SELECT d.tenant_id FROM app.doc d WHERE d.tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)));
