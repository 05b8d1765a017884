CREATE TABLE app.line (id int NOT NULL, tenant_id uuid NOT NULL, doc_id int NOT NULL, PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (doc_id, tenant_id) REFERENCES app.doc (id, tenant_id) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE INDEX line_doc ON app.line (tenant_id, doc_id);
ALTER TABLE app.line OWNER TO {{owner}};
CREATE POLICY iso ON app.line USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.line ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.line FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.line TO {{app}};
