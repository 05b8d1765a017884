REVOKE {{r_tb}} FROM {{app}};
