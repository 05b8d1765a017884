REVOKE INSERT ON app.for_support FROM {{app}};
