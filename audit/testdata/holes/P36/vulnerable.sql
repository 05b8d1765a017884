-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (true) WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
