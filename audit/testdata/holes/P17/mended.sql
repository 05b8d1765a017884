DROP POLICY iso ON app.t2;
CREATE POLICY iso ON app.t2 USING (tenant_id COLLATE "C" = nullif(current_setting('app.current_tenant', true), ''));
