REVOKE ALL ON app.audit_log FROM {{app}};
