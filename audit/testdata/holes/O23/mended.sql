ALTER ROLE {{app}} SET hnsw.iterative_scan = 'relaxed_order';
ALTER TABLE app.doc RENAME TO doc_h0;
CREATE TABLE app.doc (LIKE app.doc_h0 INCLUDING DEFAULTS INCLUDING INDEXES) PARTITION BY HASH (tenant_id);
ALTER TABLE app.doc ATTACH PARTITION app.doc_h0 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE POLICY iso ON app.doc USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
ALTER TABLE app.doc ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.doc FORCE ROW LEVEL SECURITY;
