-- object: app.v
-- versions: 15+
CREATE VIEW app.v WITH (security_invoker = true) AS SELECT * FROM app.doc;
CREATE OR REPLACE VIEW app.v AS SELECT *, 1 AS added FROM app.doc;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.v TO {{app}};
