CREATE INDEX ON app.doc (tenant_id);
ANALYZE app.doc;
