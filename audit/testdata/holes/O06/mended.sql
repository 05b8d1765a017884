DROP POLICY shared ON app.line;
ALTER TABLE app.line ALTER tenant_id SET NOT NULL;
ALTER TABLE app.line DROP CONSTRAINT line_tenant_id_doc_id_fkey;
ALTER TABLE app.line ADD FOREIGN KEY (tenant_id, doc_id) REFERENCES app.doc (tenant_id, id) ON DELETE CASCADE;
