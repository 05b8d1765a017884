ALTER TABLE app.person ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.person FORCE ROW LEVEL SECURITY;
CREATE POLICY members ON app.person FOR SELECT TO {{app}} USING (id = ANY (ARRAY(SELECT m.person_id FROM app.doc_member m
    WHERE m.tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))));
