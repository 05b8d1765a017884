ALTER TABLE app.booking FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON app.booking USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
