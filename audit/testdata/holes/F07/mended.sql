DROP POLICY iso ON app.ev;
CREATE POLICY iso ON app.ev USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
