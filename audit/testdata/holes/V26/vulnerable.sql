-- object: app.seen
CREATE MATERIALIZED VIEW app.kept AS SELECT * FROM app.doc;
CREATE VIEW app.seen AS SELECT * FROM app.kept;
GRANT SELECT ON app.seen TO {{app}};
