-- object: app.doc
ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
