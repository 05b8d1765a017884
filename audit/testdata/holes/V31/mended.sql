CREATE OR REPLACE VIEW app.doc_list WITH (security_barrier) AS SELECT id, body FROM app.doc WHERE tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid;
