-- A product's plain schema with tenants below tenants, people of several tenants, orders of
-- two parties and shared boards; :rows is the number of leads. moat protect makes the rest.
-- Tenants: 50 agencies of 40 clients (1…50, 1001…3000), one of 50 regions and 5,000 clients (60,
-- 101…150, 10001…15000) and one of one client (70, 3001).
CREATE ROLE moat_owner NOLOGIN;
CREATE SCHEMA app AUTHORIZATION moat_owner;
SET ROLE moat_owner;
SET synchronous_commit = off;
CREATE FUNCTION app.u(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5('t' || n)::uuid $$;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, n int NOT NULL, parent_id uuid REFERENCES app.tenants (id));
INSERT INTO app.tenants SELECT app.u(i), i FROM generate_series(1, 50) i;
INSERT INTO app.tenants SELECT app.u(1000 + i), 1000 + i, app.u(1 + (i - 1) % 50) FROM generate_series(1, 2000) i;
INSERT INTO app.tenants VALUES (app.u(60), 60, NULL), (app.u(70), 70, NULL), (app.u(3001), 3001, app.u(70));
INSERT INTO app.tenants SELECT app.u(100 + i), 100 + i, app.u(60) FROM generate_series(1, 50) i;
INSERT INTO app.tenants SELECT app.u(10000 + i), 10000 + i, app.u(101 + (i - 1) % 50) FROM generate_series(1, 5000) i;
CREATE INDEX ON app.tenants (parent_id);
CREATE TABLE app.leads (tenant_id uuid NOT NULL REFERENCES app.tenants (id), id uuid NOT NULL, status text NOT NULL,
  amount int NOT NULL, created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO app.leads
SELECT t.id, md5('l' || g)::uuid, (array['new', 'won', 'lost'])[1 + g % 3], g % 1000,
       timestamptz '2025-01-01' + ((g::bigint * 7919) % 31536000) * interval '1 second'
  FROM generate_series(1, :rows) g JOIN app.tenants t ON t.n = CASE WHEN g % 5 = 0 THEN 10001 + (g / 5) % 5000
    WHEN g % 50 = 1 THEN 1 + (g / 50) % 50 WHEN g % 100 = 2 THEN 3001
    ELSE 1001 + floor(2000 * power(((g::bigint * 2654435761) % 1000003) / 1000003.0, 2))::int END;
CREATE INDEX ON app.leads (tenant_id, created_at DESC);
CREATE INDEX ON app.leads (created_at DESC); -- for the hand-written list of a tree
-- The same without a level column, which moat.yaml gives to leads alone.
CREATE TABLE app.calls (tenant_id uuid NOT NULL REFERENCES app.tenants (id), id uuid NOT NULL, status text NOT NULL,
  amount int NOT NULL, created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO app.calls SELECT * FROM app.leads;
CREATE INDEX ON app.calls (tenant_id, created_at DESC);
CREATE TABLE app.users (id uuid PRIMARY KEY, email text NOT NULL, name text NOT NULL);
INSERT INTO app.users SELECT md5('p' || i)::uuid, 'p' || i || '@example.com', 'Name ' || md5(i::text)
  FROM generate_series(1, :rows / 5) i;
CREATE INDEX ON app.users (name);
CREATE TABLE app.memberships (tenant_id uuid NOT NULL REFERENCES app.tenants (id), user_id uuid NOT NULL
  REFERENCES app.users (id), PRIMARY KEY (tenant_id, user_id));
INSERT INTO app.memberships SELECT app.u(1001), md5('p' || i)::uuid FROM generate_series(1, 20) i;
INSERT INTO app.memberships SELECT app.u(1002), md5('p' || (100 + i))::uuid FROM generate_series(1, 500) i;
INSERT INTO app.memberships SELECT app.u(1004 + i % 1990), md5('p' || i)::uuid
  FROM generate_series(1000, :rows / 5) i;
CREATE INDEX ON app.memberships (user_id, tenant_id);
CREATE TABLE app.orders (id uuid PRIMARY KEY, seller uuid NOT NULL REFERENCES app.tenants (id),
  buyer uuid NOT NULL REFERENCES app.tenants (id), amount int NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO app.orders SELECT md5('o' || g)::uuid, app.u(1001 + (g * 7 + g / 2000) % 200), app.u(1001 + g % 2000), g % 1000,
    timestamptz '2025-01-01' + ((g::bigint * 7919) % 31536000) * interval '1 second' FROM generate_series(1, :rows * 2 / 5) g;
CREATE INDEX ON app.orders (seller, created_at DESC);
CREATE INDEX ON app.orders (buyer, created_at DESC);
CREATE TABLE app.board (tenant_id uuid NOT NULL REFERENCES app.tenants (id), id uuid NOT NULL UNIQUE, title text NOT NULL,
  created_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, id));
INSERT INTO app.board SELECT app.u(1001 + g % 2000), md5('b' || g)::uuid, 'b' || g,
    timestamptz '2025-01-01' + ((g::bigint * 7919) % 31536000) * interval '1 second' FROM generate_series(1, :rows * 3 / 10) g;
CREATE INDEX ON app.board (tenant_id, created_at DESC);
CREATE TABLE app.board_share (tenant_id uuid NOT NULL REFERENCES app.tenants (id), board_id uuid NOT NULL,
  shared_with uuid NOT NULL REFERENCES app.tenants (id), can_edit boolean NOT NULL DEFAULT false,
  PRIMARY KEY (shared_with, board_id), FOREIGN KEY (tenant_id, board_id) REFERENCES app.board (tenant_id, id));
INSERT INTO app.board_share SELECT tenant_id, id, app.u(1001 + (hashtext(id::text)::bigint & 2047) % 2000), false
  FROM app.board WHERE hashtext(id::text) % 5 = 0 ON CONFLICT DO NOTHING;
CREATE INDEX ON app.board_share (tenant_id, board_id);
RESET ROLE;
