-- object: app.doc
GRANT TRUNCATE ON app.doc TO {{app}};
