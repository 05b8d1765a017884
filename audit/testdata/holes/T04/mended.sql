CREATE POLICY iso ON app.archive USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.archive ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.archive FORCE ROW LEVEL SECURITY;
