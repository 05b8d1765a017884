-- object: app.member.own
CREATE TABLE app.member (tenant_id uuid NOT NULL, user_id uuid NOT NULL, PRIMARY KEY (tenant_id, user_id));
INSERT INTO app.member SELECT tenant_id, tenant_id FROM app.doc;
ALTER TABLE app.member OWNER TO {{owner}};
ALTER TABLE app.member ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.member FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.member USING (tenant_id IN (SELECT m.tenant_id FROM app.member m
    WHERE m.user_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.member TO {{app}};
