ALTER TABLE app.doc OWNER TO {{owner}};
GRANT SELECT, INSERT, UPDATE, DELETE ON app.doc TO {{app}};
