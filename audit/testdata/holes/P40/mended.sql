REVOKE {{r_g2}} FROM {{app}};
