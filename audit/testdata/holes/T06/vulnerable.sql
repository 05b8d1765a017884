-- object: app.note
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text);
INSERT INTO app.tenants VALUES ('11111111-1111-1111-1111-111111111111', 'A'), ('22222222-2222-2222-2222-222222222222', 'B');
ALTER TABLE app.doc ADD FOREIGN KEY (tenant_id) REFERENCES app.tenants;
ALTER TABLE app.tenants OWNER TO {{owner}};
CREATE POLICY iso ON app.tenants USING (id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.tenants FORCE ROW LEVEL SECURITY;
CREATE TABLE app.note (tenant_id uuid NOT NULL, id int NOT NULL, PRIMARY KEY (tenant_id, id));
ALTER TABLE app.note OWNER TO {{owner}};
CREATE POLICY iso ON app.note USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.note ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.note FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON app.note TO {{app}};
