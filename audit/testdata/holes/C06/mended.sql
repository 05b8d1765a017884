REVOKE {{r_admin}} FROM {{app}};
