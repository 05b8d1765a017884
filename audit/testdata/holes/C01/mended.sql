ALTER TABLE app.doc ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.doc FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
