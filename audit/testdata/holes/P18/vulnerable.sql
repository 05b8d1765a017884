-- object: app.doc.iso
ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
ALTER TABLE app.doc ALTER tenant_id DROP NOT NULL;
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid) OR tenant_id IS NULL);
