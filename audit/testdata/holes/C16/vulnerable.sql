-- object: {{app}}
-- versions: 16+
-- role: r_ops NOLOGIN BYPASSRLS
GRANT SELECT ON app.doc TO {{r_ops}};
GRANT {{r_ops}} TO {{app}} WITH ADMIN OPTION;
GRANT {{r_ops}} TO {{app}} WITH INHERIT FALSE, SET FALSE;
