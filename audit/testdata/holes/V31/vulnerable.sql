-- object: app.doc_list
CREATE VIEW app.doc_list WITH (security_barrier) AS SELECT id, body FROM app.doc WHERE tenant_id = nullif(current_setting('app.view_as', true), '')::uuid;
GRANT SELECT ON app.doc_list TO {{app}};
