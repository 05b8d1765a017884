-- object: app.v.d
CREATE VIEW app.v AS SELECT id, body FROM app.doc;
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
ALTER VIEW app.v OWNER TO {{owner}};
CREATE RULE d AS ON DELETE TO app.v DO INSTEAD DELETE FROM app.doc WHERE id = OLD.id;
GRANT SELECT, DELETE ON app.v TO {{app}};
