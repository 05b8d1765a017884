CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text, parent_id uuid REFERENCES app.tenants);
INSERT INTO app.tenants VALUES ('11111111-1111-1111-1111-111111111111', 'A', NULL),
    ('22222222-2222-2222-2222-222222222222', 'B', '11111111-1111-1111-1111-111111111111');
CREATE INDEX tenants_parent ON app.tenants (parent_id);
ALTER TABLE app.doc ADD FOREIGN KEY (tenant_id) REFERENCES app.tenants;
ALTER TABLE app.tenants OWNER TO {{owner}};
CREATE POLICY iso ON app.tenants USING (id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.tenants FORCE ROW LEVEL SECURITY;
GRANT SELECT ON app.tenants TO {{app}};
