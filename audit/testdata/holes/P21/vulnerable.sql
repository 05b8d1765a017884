-- object: app.can_see(uuid)
CREATE TABLE app.membership (user_id int NOT NULL, tenant_id uuid NOT NULL, PRIMARY KEY (user_id, tenant_id));
INSERT INTO app.membership VALUES (1, '11111111-1111-1111-1111-111111111111'), (2, '22222222-2222-2222-2222-222222222222');
ALTER TABLE app.membership OWNER TO {{owner}};
ALTER TABLE app.membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.membership FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.membership FOR SELECT USING (user_id = nullif(current_setting('app.user_id', true), '')::int);
GRANT SELECT ON app.membership TO {{app}};
CREATE FUNCTION app.can_see(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE  AS $$ BEGIN RETURN EXISTS (SELECT 1 FROM membership m WHERE m.tenant_id = t AND m.user_id = nullif(current_setting('app.user_id', true), '')::int); END $$;
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (app.can_see(tenant_id));
