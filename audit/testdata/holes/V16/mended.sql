REVOKE ALL ON app.ev_old FROM {{app}};
