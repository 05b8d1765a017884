-- object: app.doc.del
DROP POLICY iso ON app.doc;
CREATE POLICY sel ON app.doc FOR SELECT USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY ins ON app.doc FOR INSERT WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY upd ON app.doc FOR UPDATE USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY del ON app.doc FOR DELETE USING (true);
