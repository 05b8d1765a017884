REVOKE TRUNCATE ON app.doc FROM {{app}};
