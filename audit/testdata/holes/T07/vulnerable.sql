-- object: app.doc.reads
ALTER TABLE app.doc ADD COLUMN deleted_at timestamptz;
DROP POLICY iso ON app.doc;
CREATE POLICY reads ON app.doc FOR SELECT USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid) AND deleted_at IS NULL);
CREATE POLICY changes ON app.doc FOR UPDATE USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY adds ON app.doc FOR INSERT WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
