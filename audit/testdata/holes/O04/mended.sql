ALTER TABLE app.doc ADD UNIQUE (tenant_id, id);
ALTER TABLE app.line DROP CONSTRAINT line_doc_id_fkey;
ALTER TABLE app.line ADD FOREIGN KEY (tenant_id, doc_id) REFERENCES app.doc (tenant_id, id) ON DELETE CASCADE;
