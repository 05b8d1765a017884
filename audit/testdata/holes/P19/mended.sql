DELETE FROM app.doc WHERE tenant_id IS NULL;
ALTER TABLE app.doc ALTER tenant_id SET NOT NULL;
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
