-- The shapes of tenancy that the API serves, as package policy's documentation writes them.
-- :app is the application role, :tree the role that the tree is read by.
CREATE SCHEMA app; CREATE SCHEMA moat;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, parent_id uuid REFERENCES app.tenants, name text NOT NULL,
  suspended boolean NOT NULL DEFAULT false);
CREATE TABLE moat.tenant_tree (ancestor uuid NOT NULL REFERENCES app.tenants, tenant uuid NOT NULL REFERENCES app.tenants,
  depth int NOT NULL, PRIMARY KEY (ancestor, tenant));
CREATE TABLE app.leads (tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid
    REFERENCES app.tenants,
  id bigint NOT NULL, name text NOT NULL, score int, created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE INDEX ON app.leads (tenant_id, created_at);
CREATE TABLE app.notes (tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
  id bigint NOT NULL, lead_id bigint NOT NULL, body text NOT NULL, PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id));
CREATE TABLE app.countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.labels (id bigint PRIMARY KEY, tenant_id uuid REFERENCES app.tenants
    DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid, name text NOT NULL);
CREATE TABLE app.templates (tenant_id uuid NOT NULL REFERENCES app.tenants
    DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
  id bigint NOT NULL, name text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.orders (id bigint PRIMARY KEY, seller uuid NOT NULL REFERENCES app.tenants
    DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
  buyer uuid NOT NULL REFERENCES app.tenants, amount int NOT NULL, UNIQUE (id, seller, buyer));
CREATE TABLE app.lines (id bigint PRIMARY KEY, order_id bigint NOT NULL, seller uuid NOT NULL, buyer uuid NOT NULL,
  what text NOT NULL, FOREIGN KEY (order_id, seller, buyer) REFERENCES app.orders (id, seller, buyer));
CREATE TABLE app.board (tenant_id uuid NOT NULL REFERENCES app.tenants
    DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
  id bigint NOT NULL UNIQUE, title text NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE app.board_share (tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
  board_id bigint NOT NULL, shared_with uuid NOT NULL REFERENCES app.tenants, can_edit boolean NOT NULL DEFAULT false,
  PRIMARY KEY (shared_with, board_id), FOREIGN KEY (tenant_id, board_id) REFERENCES app.board (tenant_id, id));
CREATE TABLE app.users (id bigint PRIMARY KEY, name text NOT NULL, hash text);
CREATE TABLE app.memberships (tenant_id uuid NOT NULL REFERENCES app.tenants, user_id bigint NOT NULL REFERENCES app.users,
  role text, PRIMARY KEY (tenant_id, user_id));
CREATE VIEW app.hot WITH (security_barrier) AS SELECT tenant_id, id, name FROM app.leads WHERE score > 5;
CREATE VIEW app.nameless WITH (security_barrier) AS SELECT id, name FROM app.leads;

-- What each tenant is, and below it.
CREATE FUNCTION app.t() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
DO $do$
DECLARE
  t text;
  own text;
  tree constant text := 'ANY (ARRAY(SELECT c.tenant FROM moat.tenant_tree c WHERE c.ancestor = '
    || '(SELECT nullif(current_setting(''app.current_tenant'', true), '''')::uuid)))';
  is_t constant text := '(SELECT nullif(current_setting(''app.current_tenant'', true), '''')::uuid)';
BEGIN
  FOREACH t IN ARRAY ARRAY['tenants','leads','notes','labels','templates','orders','lines','board','board_share','memberships','users'] LOOP
    EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY moat_roles ON app.%I AS RESTRICTIVE FOR ALL TO PUBLIC USING ((SELECT pg_has_role('':app'', ''USAGE'') OR pg_has_role('':tree'', ''USAGE'') OR NULL::boolean) IS NOT NULL)', t);
    EXECUTE format('CREATE POLICY tenant_access ON app.%I TO :app USING (true) WITH CHECK (true)', t);
    EXECUTE format('CREATE POLICY tree_access ON app.%I FOR SELECT TO :tree USING (true)', t);
    own := CASE WHEN t IN ('orders', 'lines') THEN 'seller' WHEN t = 'tenants' THEN 'id' ELSE 'tenant_id' END;
    IF t = 'users' THEN
      EXECUTE 'CREATE POLICY members_isolation ON app.users AS RESTRICTIVE FOR ALL TO :app USING (id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = ' || is_t || ')))';
      EXECUTE 'CREATE POLICY tree_isolation ON app.users AS RESTRICTIVE FOR ALL TO :tree USING (id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = ' || tree || ')))';
      CONTINUE;
    END IF;
    EXECUTE format('CREATE POLICY tree_isolation ON app.%I AS RESTRICTIVE FOR ALL TO :tree USING (%s)', t,
      CASE t WHEN 'labels' THEN 'tenant_id IS NULL OR tenant_id = ' || tree
             WHEN 'orders' THEN 'seller = ' || tree || ' OR buyer = ' || tree
             WHEN 'lines' THEN 'seller = ' || tree || ' OR buyer = ' || tree
             ELSE own || ' = ' || tree END);
    EXECUTE format('CREATE POLICY own_read ON app.%I AS RESTRICTIVE FOR SELECT TO :app USING (%s)', t,
      CASE t WHEN 'labels' THEN 'tenant_id = ' || is_t || ' OR (tenant_id IS NULL AND ' || is_t || ' IS NOT NULL)'
             WHEN 'templates' THEN 'tenant_id = ANY (ARRAY(SELECT c.ancestor FROM moat.tenant_tree c WHERE c.tenant = ' || is_t || '))'
             WHEN 'orders' THEN 'seller = ' || is_t || ' OR buyer = ' || is_t
             WHEN 'lines' THEN 'seller = ' || is_t || ' OR buyer = ' || is_t
             WHEN 'board' THEN 'tenant_id = ' || is_t || ' OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE s.shared_with = ' || is_t || '))'
             WHEN 'board_share' THEN 'tenant_id = ' || is_t || ' OR shared_with = ' || is_t
             ELSE own || ' = ' || is_t END);
    EXECUTE format('CREATE POLICY own_insert ON app.%I AS RESTRICTIVE FOR INSERT TO :app WITH CHECK (%I = %s)', t, own, is_t);
    EXECUTE format('CREATE POLICY own_delete ON app.%I AS RESTRICTIVE FOR DELETE TO :app USING (%I = %s)', t, own, is_t);
    EXECUTE format('CREATE POLICY own_update ON app.%I AS RESTRICTIVE FOR UPDATE TO :app USING (%s)', t,
      CASE t WHEN 'board' THEN 'tenant_id = ' || is_t || ' OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE s.can_edit AND s.shared_with = ' || is_t || '))'
             ELSE own || ' = ' || is_t END);
  END LOOP;
END $do$;
DROP FUNCTION app.t();
ALTER TABLE moat.tenant_tree ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_tree_own ON moat.tenant_tree FOR SELECT TO PUBLIC
  USING (ancestor = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)
      OR tenant = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER VIEW app.hot SET (security_invoker = true);
ALTER VIEW app.nameless SET (security_invoker = true);
CREATE FUNCTION app.best(app.leads) RETURNS SETOF app.notes LANGUAGE sql STABLE AS
  $$ SELECT * FROM app.notes n WHERE n.lead_id = $1.id $$;
CREATE FUNCTION app.total() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM app.leads $$;

GRANT USAGE ON SCHEMA app, moat TO :app, :tree;
GRANT SELECT ON ALL TABLES IN SCHEMA app, moat TO :app, :tree;
REVOKE SELECT ON app.users FROM :app, :tree; GRANT SELECT (id, name) ON app.users TO :app, :tree;
GRANT INSERT, DELETE, UPDATE ON app.leads, app.notes, app.labels, app.templates TO :app;
GRANT INSERT, DELETE, UPDATE (amount) ON app.orders TO :app;
GRANT INSERT, DELETE, UPDATE (title) ON app.board TO :app;
GRANT INSERT, DELETE ON app.board_share TO :app;
-- In this order: from PostgreSQL 16 on, a grant keeps what the role was when it was made.
ALTER ROLE :app NOINHERIT;
GRANT :tree TO :app;

-- An agency A with the clients A1, A2 and, suspended, A3; A1 has a branch A11, and A3 one, A31, that is not suspended.
INSERT INTO app.tenants
SELECT ('00000000-0000-4000-8000-' || lpad(lower(t), 12, '0'))::uuid,
       ('00000000-0000-4000-8000-' || lpad(lower(p), 12, '0'))::uuid, t, t = 'A3'
  FROM (VALUES ('A', NULL), ('A1', 'A'), ('A2', 'A'), ('A3', 'A'), ('A11', 'A1'), ('A31', 'A3'), ('F', NULL)) v(t, p);
INSERT INTO moat.tenant_tree WITH RECURSIVE r AS (SELECT id a, id t, 0 d FROM app.tenants
  UNION ALL SELECT r.a, c.id, d + 1 FROM r JOIN app.tenants c ON c.parent_id = r.t) SELECT * FROM r;
-- Every tenant has leads 1 to 3, created at the same times.
INSERT INTO app.leads SELECT id, n, name || ' lead ' || n, n * 3, timestamptz '2026-01-01' + n * interval '1 day'
  FROM app.tenants, generate_series(1, 3) n;
INSERT INTO app.notes SELECT tenant_id, id, id, 'note on ' || name FROM app.leads;
INSERT INTO app.countries VALUES ('de', 'Germany');
INSERT INTO app.labels SELECT row_number() OVER (ORDER BY name), id, 'label of ' || name FROM app.tenants;
INSERT INTO app.labels VALUES (100, NULL, 'for everybody');
INSERT INTO app.templates SELECT id, 1, 'template of ' || name FROM app.tenants;
INSERT INTO app.orders SELECT n, s.id, b.id, n * 10 FROM (VALUES (1, 'A1', 'F'), (2, 'F', 'A1'), (3, 'A2', 'A1'), (4, 'F', 'A3')) v(n, s, b)
  JOIN app.tenants s ON s.name = v.s JOIN app.tenants b ON b.name = v.b;
INSERT INTO app.lines SELECT id, id, seller, buyer, 'line of ' || id FROM app.orders;
INSERT INTO app.board SELECT id, row_number() OVER (ORDER BY name), 'board of ' || name FROM app.tenants;
INSERT INTO app.board_share SELECT b.tenant_id, b.id, t.id, b.title = 'board of F' FROM app.board b, app.tenants t
  WHERE b.title IN ('board of F', 'board of A2') AND t.name = 'A1';
INSERT INTO app.users SELECT n, 'person ' || n, 'secret' FROM generate_series(1, 5) n;
INSERT INTO app.memberships SELECT t.id, v.u, 'member' FROM (VALUES ('A', 1), ('A1', 1), ('A1', 2), ('A2', 3), ('A3', 4), ('F', 5)) v(t, u)
  JOIN app.tenants t ON t.name = v.t;
