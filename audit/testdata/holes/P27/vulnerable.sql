-- object: app.doc
GRANT REFERENCES ON app.doc TO {{app}};
