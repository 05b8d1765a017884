-- object: app.doc.iso
ALTER TABLE app.doc ADD COLUMN archived boolean NOT NULL DEFAULT false, ADD COLUMN kind text NOT NULL DEFAULT 'template';
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid) AND NOT archived OR kind = 'template');
