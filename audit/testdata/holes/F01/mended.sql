CREATE INDEX doc_tenant ON app.doc (tenant_id, id);
