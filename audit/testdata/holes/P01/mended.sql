DROP POLICY upd ON app.doc;
CREATE POLICY upd ON app.doc FOR UPDATE USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
