ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
ALTER TABLE app.doc ADD PRIMARY KEY (tenant_id, id);
