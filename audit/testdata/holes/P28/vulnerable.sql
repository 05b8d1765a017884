-- object: app.doc
-- versions: 17+
GRANT MAINTAIN ON app.doc TO {{app}};
