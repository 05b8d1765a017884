-- object: app.t2.iso
CREATE COLLATION app.insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE app.t2 (id int NOT NULL, tenant_id text COLLATE app.insensitive NOT NULL, body text, PRIMARY KEY (tenant_id, id));
INSERT INTO app.t2 VALUES (1, 'acme', 'a secret'), (2, 'ACME', 'b secret');
ALTER TABLE app.t2 OWNER TO {{owner}};
ALTER TABLE app.t2 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.t2 FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON app.t2 USING (tenant_id = current_setting('app.current_tenant', true));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.t2 TO {{app}};
