CREATE OR REPLACE VIEW app.doc_lang WITH (security_barrier) AS SELECT *, current_setting('app.lang', true) AS lang FROM app.doc
    WHERE tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid);
