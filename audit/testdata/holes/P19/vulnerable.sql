-- object: app.doc.iso
ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
ALTER TABLE app.doc ALTER tenant_id DROP NOT NULL;
INSERT INTO app.doc VALUES (3, NULL, 'nobody''s');
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id IS NOT DISTINCT FROM nullif(current_setting('app.current_tenant', true), '')::uuid);
