CREATE OR REPLACE VIEW app.v WITH (security_barrier = true, check_option = cascaded) AS SELECT * FROM app.doc WHERE tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid;
