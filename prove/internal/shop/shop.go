// Package shop is the little protected agency that prove's tests attack.
package shop

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Fixture is a database with a protected schema and its application role.
type Fixture struct {
	*pgtest.Database
	App, Owner string
}

// The two tenants.
const (
	TenantA = "11111111-1111-4111-8111-111111111111"
	TenantB = "22222222-2222-4222-8222-222222222222"
)

// Policy is the pair of policies that protect makes, for a table $T with the
// tenant in column $C.
const Policy = `
CREATE POLICY tenant_isolation ON $T AS RESTRICTIVE FOR ALL TO PUBLIC
    USING ($C = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))
    WITH CHECK ($C = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY tenant_access ON $T AS PERMISSIVE FOR ALL TO $APP USING (true) WITH CHECK (true);
ALTER TABLE $T ENABLE ROW LEVEL SECURITY;
ALTER TABLE $T FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON $T TO $APP;
ALTER TABLE $T OWNER TO $OWNER;
`

// protected is a small agency: what protect would leave behind.
const protected = `
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO $APP;
ALTER SCHEMA app OWNER TO $OWNER;
REVOKE TEMPORARY ON DATABASE $DB FROM PUBLIC;
REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(int), pg_catalog.pg_stat_get_backend_activity(int),
    pg_catalog.pg_cancel_backend(int), pg_catalog.pg_terminate_backend(int, bigint) FROM PUBLIC;
CREATE TYPE app.status AS ENUM ('new', 'contacted', 'won');
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.campaigns (tenant_id uuid NOT NULL REFERENCES app.tenants(id),
	id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, name));
CREATE TABLE app.leads (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid NOT NULL DEFAULT gen_random_uuid(),
    campaign_id uuid, email text NOT NULL, status app.status NOT NULL DEFAULT 'new',
	published boolean NOT NULL DEFAULT false,
    score integer CHECK (score BETWEEN 0 AND 100), created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, email),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES app.campaigns (tenant_id, id));
CREATE TABLE app.events (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id bigint GENERATED ALWAYS AS IDENTITY,
    lead_id uuid NOT NULL, note text, PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id) ON DELETE CASCADE);
CREATE TABLE app.visits (tenant_id uuid NOT NULL REFERENCES app.tenants(id), at timestamptz NOT NULL, id uuid NOT NULL,
    page text, PRIMARY KEY (tenant_id, at, id)) PARTITION BY RANGE (at);
CREATE TABLE app.visits_2024 PARTITION OF app.visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.visits_2025 PARTITION OF app.visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE app.visits_2024 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.visits_2024 FORCE ROW LEVEL SECURITY;
ALTER TABLE app.visits_2025 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.visits_2025 FORCE ROW LEVEL SECURITY;
ALTER TABLE app.visits_2024 OWNER TO $OWNER;
ALTER TABLE app.visits_2025 OWNER TO $OWNER;
`

// Rows fills the tables for two tenants.
const Rows = `
INSERT INTO app.tenants VALUES ('` + TenantA + `', 'Acme'), ('` + TenantB + `', 'Bolt');
INSERT INTO app.campaigns (tenant_id, name) SELECT id, name || ' spring' FROM app.tenants;
INSERT INTO app.leads (tenant_id, campaign_id, email, score) SELECT c.tenant_id, c.id, n || '@' || c.name,
	n FROM app.campaigns c, generate_series(1, 5) n;
INSERT INTO app.events (tenant_id, lead_id, note) SELECT tenant_id, id, 'called ' || email FROM app.leads;
INSERT INTO app.visits SELECT t.id, '2024-03-01'::timestamptz + n * interval '1 day', gen_random_uuid(),
	'/pricing' FROM app.tenants t, generate_series(1, 4) n;
`

// New makes a protected agency without rows and runs more statements.
func New(t *testing.T, statements ...string) *Fixture {
	t.Helper()
	return On(t, pgtest.New(t), statements...)
}

// On makes it in a database that is there.
func On(t *testing.T, db *pgtest.Database, statements ...string) *Fixture {
	t.Helper()
	f := &Fixture{Database: db}
	f.App = db.Role(t, "app", "LOGIN")
	f.Owner = db.Role(t, "owner", "NOLOGIN")
	f.SQL(t, protected)
	for table, column := range map[string]string{"app.tenants": "id", "app.campaigns": "tenant_id",
		"app.leads": "tenant_id", "app.events": "tenant_id", "app.visits": "tenant_id"} {
		f.SQL(t, strings.NewReplacer("$T", table, "$C", column).Replace(Policy))
	}
	for _, s := range statements {
		f.SQL(t, s)
	}
	return f
}

// SQL runs statements as superuser with the fixture's names filled in.
func (f *Fixture) SQL(t *testing.T, text string) {
	t.Helper()
	f.Exec(t, strings.NewReplacer("$APP", f.App, "$OWNER", f.Owner, "$DB", f.Name).Replace(text))
}
