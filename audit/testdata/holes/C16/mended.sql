REVOKE {{r_ops}} FROM {{app}};
