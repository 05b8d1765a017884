ALTER TABLE app.doc ADD UNIQUE (tenant_id, id);
ALTER TABLE app.line DROP CONSTRAINT line_doc_id_fkey;
ALTER TABLE app.line ADD CONSTRAINT line_t_fk FOREIGN KEY (tenant_id, doc_id) REFERENCES app.doc (tenant_id, id);
