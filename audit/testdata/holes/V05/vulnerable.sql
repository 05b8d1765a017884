-- object: app.mv
CREATE MATERIALIZED VIEW app.mv AS SELECT * FROM app.doc;
GRANT SELECT ON app.mv TO {{app}};
