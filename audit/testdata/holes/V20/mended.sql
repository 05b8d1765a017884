REVOKE ALL ON app.ctx_key FROM {{app}};
