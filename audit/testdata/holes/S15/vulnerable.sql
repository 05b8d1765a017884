-- object: {{app}}
-- role: r_tb NOLOGIN
GRANT USAGE ON SCHEMA app TO {{r_tb}};
GRANT SELECT ON app.doc TO {{r_tb}};
CREATE POLICY for_b ON app.doc TO {{r_tb}} USING (tenant_id = '22222222-2222-2222-2222-222222222222');
ALTER ROLE {{app}} NOINHERIT;
GRANT {{r_tb}} TO {{app}};
