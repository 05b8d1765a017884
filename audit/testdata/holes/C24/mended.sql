ALTER TABLE app.doc_line ADD COLUMN tenant_id uuid;
UPDATE app.doc_line l SET tenant_id = d.tenant_id FROM app.doc d WHERE d.id = l.doc_id;
ALTER TABLE app.doc_line ALTER tenant_id SET NOT NULL, DROP CONSTRAINT doc_line_doc_id_fkey, ADD FOREIGN KEY (tenant_id, doc_id) REFERENCES app.doc (tenant_id, id);
CREATE POLICY iso ON app.doc_line USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.doc_line ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.doc_line FORCE ROW LEVEL SECURITY;
