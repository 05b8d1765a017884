-- object: app.inner_v
-- versions: 15+
CREATE VIEW app.inner_v AS SELECT * FROM app.doc;
CREATE VIEW app.v WITH (security_invoker = true) AS SELECT * FROM app.inner_v;
GRANT SELECT ON app.inner_v, app.v TO {{app}};
