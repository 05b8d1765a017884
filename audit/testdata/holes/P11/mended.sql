REVOKE {{r_reporting}} FROM {{app}};
