-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id::text LIKE current_setting('app.current_tenant', true));
