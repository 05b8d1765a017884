REVOKE ALL ON app.remote_doc FROM {{app}};
DROP USER MAPPING FOR {{app}} SERVER r_srv;
