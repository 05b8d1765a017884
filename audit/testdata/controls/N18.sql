-- versions: 18+
CREATE TABLE app.gen (id int NOT NULL, raw text NOT NULL, tenant_id uuid GENERATED ALWAYS AS (raw::uuid) VIRTUAL, body text);
ALTER TABLE app.gen OWNER TO {{owner}};
CREATE POLICY iso ON app.gen USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.gen ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.gen FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT ON app.gen TO {{app}};
