-- object: app.doc_remarks
CREATE TABLE app.remark (tenant_id uuid NOT NULL, id int NOT NULL, doc_id int, text text, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, doc_id) REFERENCES app.doc (tenant_id, id));
CREATE INDEX ON app.remark (tenant_id, doc_id);
INSERT INTO app.remark SELECT tenant_id, id, id, 'on ' || body FROM app.doc;
CREATE POLICY iso ON app.remark USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.remark ENABLE ROW LEVEL SECURITY; ALTER TABLE app.remark FORCE ROW LEVEL SECURITY;
CREATE VIEW app.doc_remarks WITH (security_barrier) AS SELECT d.id, r.text FROM app.doc d, app.remark r WHERE d.tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid;
GRANT SELECT ON app.doc_remarks TO {{app}};
