-- object: app.doc
ALTER TABLE app.doc OWNER TO {{app}};
