-- object: app.doc
ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
ALTER TABLE app.doc ADD PRIMARY KEY (id);
