DROP INDEX app.doc_body;
CREATE INDEX doc_t_body ON app.doc (tenant_id, body);
ANALYZE app.doc;
