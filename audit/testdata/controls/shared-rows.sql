ALTER TABLE app.doc DROP CONSTRAINT doc_pkey;
ALTER TABLE app.doc ALTER tenant_id DROP NOT NULL;
CREATE INDEX ON app.doc (tenant_id);
CREATE POLICY shared ON app.doc FOR SELECT USING (tenant_id IS NULL);
