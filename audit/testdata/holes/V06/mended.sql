ALTER MATERIALIZED VIEW app.mv OWNER TO {{owner}};
REVOKE ALL ON app.mv FROM {{app}};
