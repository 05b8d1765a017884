REVOKE MAINTAIN ON app.doc FROM {{app}};
