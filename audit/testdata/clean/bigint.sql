-- Tenants numbered by bigint account_id, a helper function, permissive policies for
-- each command, not forced.
CREATE SCHEMA app AUTHORIZATION {{owner}};
GRANT USAGE ON SCHEMA app TO {{app}};
SET ROLE {{owner}};
CREATE TABLE app.accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE FUNCTION app.current_account_id() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT nullif(current_setting('app.account_id', true), '')::bigint
$$;
CREATE TABLE app.projects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES app.accounts (id) ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, name),
    UNIQUE (account_id, id)
);
CREATE TABLE app.tasks (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES app.accounts (id),
    project_id bigint NOT NULL,
    title text,
    FOREIGN KEY (account_id, project_id) REFERENCES app.projects (account_id, id)
);
CREATE INDEX tasks_created ON app.projects (created_at);
CREATE INDEX tasks_project ON app.tasks (account_id, project_id);
-- Rows without an account were the operator's once.
CREATE UNIQUE INDEX one_title_of_nobody ON app.tasks (title) WHERE account_id IS NULL;
ALTER TABLE app.accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.accounts FOR SELECT USING (id = app.current_account_id());
CREATE POLICY project_read ON app.projects FOR SELECT USING (account_id = app.current_account_id());
CREATE POLICY project_add ON app.projects FOR INSERT WITH CHECK (account_id = app.current_account_id());
CREATE POLICY project_change ON app.projects FOR UPDATE USING (account_id = (SELECT app.current_account_id()));
CREATE POLICY project_drop ON app.projects FOR DELETE USING (account_id = (SELECT app.current_account_id()));
CREATE POLICY tasks_all ON app.tasks USING (account_id = app.current_account_id()) WITH CHECK (account_id = app.current_account_id());
GRANT SELECT ON app.accounts TO {{app}};
GRANT SELECT, INSERT, UPDATE, DELETE ON app.projects, app.tasks TO {{app}};
GRANT USAGE ON SEQUENCE app.tasks_id_seq TO {{app}};
RESET ROLE;
