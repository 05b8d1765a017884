-- object: app.doc
GRANT TRIGGER ON app.doc TO {{app}};
