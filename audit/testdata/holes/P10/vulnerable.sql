-- object: app.doc.iso
-- role: app2 LOGIN
DROP POLICY iso ON app.doc;
CREATE POLICY access ON app.doc USING (true);
CREATE POLICY iso ON app.doc AS RESTRICTIVE TO {{app}} USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
GRANT USAGE ON SCHEMA app TO {{app2}};
GRANT SELECT, INSERT, UPDATE, DELETE ON app.doc TO {{app2}};
