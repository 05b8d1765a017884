CREATE POLICY iso ON app.ev USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
ALTER TABLE app.ev ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.ev FORCE ROW LEVEL SECURITY;
