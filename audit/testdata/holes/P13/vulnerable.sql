-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid) OR current_setting('app.is_admin', true) = 'on');
