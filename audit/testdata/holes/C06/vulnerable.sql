-- object: {{app}}
-- role: r_admin NOLOGIN BYPASSRLS
ALTER ROLE {{app}} NOINHERIT;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.doc TO {{r_admin}};
GRANT USAGE ON SCHEMA app TO {{r_admin}};
GRANT {{r_admin}} TO {{app}};
