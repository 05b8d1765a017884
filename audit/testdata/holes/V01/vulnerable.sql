-- object: app.v
CREATE VIEW app.v AS SELECT * FROM app.doc;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.v TO {{app}};
