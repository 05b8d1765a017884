REVOKE ALL ON app.mv FROM {{app}};
CREATE VIEW app.mv_safe WITH (security_barrier = true) AS SELECT * FROM app.mv WHERE tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid);
GRANT SELECT ON app.mv_safe TO {{app}};
