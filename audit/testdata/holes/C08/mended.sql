REVOKE {{owner}} FROM {{app}};
