-- object: app.members
CREATE TABLE app.members (tenant_id uuid NOT NULL, user_id int NOT NULL, role text NOT NULL, PRIMARY KEY (tenant_id, user_id));
INSERT INTO app.members VALUES ('11111111-1111-1111-1111-111111111111', 1, 'member'), ('22222222-2222-2222-2222-222222222222', 2, 'owner');
ALTER TABLE app.members OWNER TO {{owner}};
CREATE POLICY iso ON app.members USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.members ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.members FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON app.members TO {{app}};
