CREATE STATISTICS app.doc_stats ON tenant_id, body FROM app.doc;
ANALYZE app.doc;
