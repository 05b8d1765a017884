-- object: app.doc.doc_body
CREATE INDEX doc_body ON app.doc (body);
