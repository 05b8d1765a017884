-- object: app.doc.iso
CREATE TABLE app.membership (user_id int NOT NULL, tenant_id uuid NOT NULL, PRIMARY KEY (user_id, tenant_id));
INSERT INTO app.membership VALUES (1, '11111111-1111-1111-1111-111111111111'), (2, '22222222-2222-2222-2222-222222222222');
ALTER TABLE app.membership OWNER TO {{owner}};
ALTER TABLE app.membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.membership FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.membership FOR SELECT USING (user_id = nullif(current_setting('app.user_id', true), '')::int);
GRANT SELECT ON app.membership TO {{app}};
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = tenant_id AND m.user_id = nullif(current_setting('app.user_id', true), '')::int));
