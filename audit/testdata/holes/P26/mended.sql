REVOKE TRIGGER ON app.doc FROM {{app}};
