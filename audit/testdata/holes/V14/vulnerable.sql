-- object: app.v
REVOKE ALL ON app.doc FROM {{app}};
CREATE VIEW app.v WITH (security_barrier = true) AS SELECT * FROM app.doc WHERE tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.v TO {{app}};
