-- object: app.line.line_doc_id_fkey
ALTER TABLE app.doc ADD CONSTRAINT doc_id_key UNIQUE (id);
CREATE TABLE app.line (id int NOT NULL, tenant_id uuid NOT NULL, doc_id int, note text, PRIMARY KEY (tenant_id, id), CONSTRAINT line_doc_id_fkey FOREIGN KEY (doc_id) REFERENCES app.doc (id));
INSERT INTO app.line (id, tenant_id, doc_id, note) VALUES (1, '11111111-1111-1111-1111-111111111111', 1, 'a line'), (2, '22222222-2222-2222-2222-222222222222', 2, 'b line');
ALTER TABLE app.line OWNER TO {{owner}};
CREATE POLICY iso ON app.line USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.line ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.line FORCE ROW LEVEL SECURITY;
CREATE INDEX line_doc ON app.line (tenant_id, doc_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON app.line TO {{app}};
