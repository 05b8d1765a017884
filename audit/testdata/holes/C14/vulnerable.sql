-- object: app.doc_bak
CREATE TABLE app.doc_bak (LIKE app.doc INCLUDING ALL);
INSERT INTO app.doc_bak SELECT * FROM app.doc;
CREATE TABLE app.doc_2024 AS SELECT * FROM app.doc;
ALTER TABLE app.doc_bak OWNER TO {{owner}};
ALTER TABLE app.doc_2024 OWNER TO {{owner}};
GRANT SELECT ON app.doc_bak, app.doc_2024 TO {{app}};
