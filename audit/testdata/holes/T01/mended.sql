REVOKE ALL ON app.outbox FROM {{app}};
