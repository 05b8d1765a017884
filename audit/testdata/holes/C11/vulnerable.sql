-- object: app.doc_archive
CREATE TABLE app.doc_archive () INHERITS (app.doc);
ALTER TABLE app.doc_archive OWNER TO {{owner}};
INSERT INTO app.doc_archive VALUES (11, '11111111-1111-1111-1111-111111111111', 'a old'), (12, '22222222-2222-2222-2222-222222222222', 'b old');
GRANT SELECT ON app.doc_archive TO {{app}};
