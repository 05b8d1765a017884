-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = tenant_id AND current_setting('app.current_tenant', true) IS NOT NULL);
