-- object: app.doc.doc_pkey
ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
ALTER TABLE app.doc ADD PRIMARY KEY (id);
CREATE INDEX doc_tenant ON app.doc (tenant_id);
