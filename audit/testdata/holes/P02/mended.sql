DROP POLICY del ON app.doc;
CREATE POLICY del ON app.doc FOR DELETE USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
