-- object: app.doc_bak
CREATE TABLE app.doc_bak AS SELECT * FROM app.doc;
ALTER TABLE app.doc_bak OWNER TO {{owner}};
GRANT SELECT (body) ON app.doc_bak TO {{app}};
