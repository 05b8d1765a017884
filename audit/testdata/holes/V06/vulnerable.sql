-- object: app.mv
CREATE MATERIALIZED VIEW app.mv AS SELECT * FROM app.doc;
ALTER MATERIALIZED VIEW app.mv OWNER TO {{app}};
