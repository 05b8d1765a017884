-- object: app.v.u
-- versions: 15+
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
CREATE VIEW app.v WITH (security_invoker = true) AS SELECT id, tenant_id, body FROM app.doc;
ALTER VIEW app.v OWNER TO {{owner}};
CREATE RULE u AS ON UPDATE TO app.v DO INSTEAD UPDATE app.doc SET body = NEW.body;
GRANT SELECT, UPDATE ON app.v TO {{app}};
