REVOKE ALL ON app.people FROM {{app}};
