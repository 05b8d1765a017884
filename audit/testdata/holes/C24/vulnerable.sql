-- object: app.doc_line
ALTER TABLE app.doc ADD CONSTRAINT doc_id_key UNIQUE (id);
CREATE TABLE app.doc_line (id int PRIMARY KEY, doc_id int NOT NULL REFERENCES app.doc (id), note text);
INSERT INTO app.doc_line VALUES (1, 1, 'a line'), (2, 2, 'b line');
ALTER TABLE app.doc_line OWNER TO {{owner}};
GRANT SELECT, INSERT, UPDATE, DELETE ON app.doc_line TO {{app}};
