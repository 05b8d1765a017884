-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY access ON app.doc USING (true);
CREATE POLICY iso ON app.doc AS RESTRICTIVE USING (NOT (tenant_id <> coalesce(nullif(current_setting('app.current_tenant', true), '')::uuid, tenant_id)));
