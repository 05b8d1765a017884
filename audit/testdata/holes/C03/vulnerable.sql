-- object: app.doc
ALTER TABLE app.doc OWNER TO {{app}};
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
