REVOKE SELECT ON pg_catalog.pg_statistic FROM {{app}};
