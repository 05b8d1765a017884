REVOKE SELECT ON app.seen FROM {{app}};
