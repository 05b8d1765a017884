package protect

import (
	"errors"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const claimsFunctions = `CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;`

// Policies that ask for the caller's memberships are not replaced by a wall that takes
// the caller's id for a tenant.
func TestPeopleAreNotTenants(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, claimsFunctions+`CREATE TABLE accounts (id uuid PRIMARY KEY);
		CREATE TABLE account_user (user_id uuid NOT NULL, account_id uuid NOT NULL REFERENCES accounts,
		  PRIMARY KEY (user_id, account_id));
		CREATE TABLE docs (id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts);
		ALTER TABLE docs ENABLE ROW LEVEL SECURITY; ALTER TABLE account_user ENABLE ROW LEVEL SECURITY;
		CREATE POLICY own ON account_user FOR SELECT USING (user_id = auth.uid());
		CREATE POLICY m ON docs FOR SELECT USING (account_id IN (SELECT account_id FROM
		  account_user WHERE user_id = auth.uid()));`)
	conn := db.Conn(t, db.URL)
	_, _, _, err := Look(t.Context(), conn, tenancy.Options{}, Config{})
	var person *PersonError
	if !errors.As(err, &person) || !strings.Contains(err.Error(), "public.account_user") {
		t.Fatalf("planned although nobody says which tenant is current: %v", err)
	}
	if _, _, _, err := Look(t.Context(), conn, tenancy.Options{Setting: "app.user_account"}, Config{}); err != nil {
		t.Errorf("a setting that is configured holds the tenant: %v", err)
	}
}

// A tenant that policies read from a claim is read from it in the planned ones, too.
func TestWallsReadTheClaim(t *testing.T) {
	t.Parallel()
	b := newBench(t, `CREATE SCHEMA app; CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text);
		CREATE TABLE app.a (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
		CREATE TABLE app.b (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
		ALTER TABLE app.a ENABLE ROW LEVEL SECURITY;
		CREATE POLICY t ON app.a USING (tenant_id = (nullif(current_setting('request.jwt.claims', true),
		  '')::jsonb ->> 'tenant_id')::uuid);
		INSERT INTO app.tenants VALUES ('`+tenantA+`', 'A'), ('22222222-2222-4222-8222-222222222222', 'B');
		INSERT INTO app.b SELECT row_number() OVER (), id FROM app.tenants;`)
	b.opts = tenancy.Options{Column: "tenant_id", Schemas: []string{"app"}}
	b.apply(t, GroupGuards)
	conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	for claims, want := range map[string]int{`{"tenant_id": "` + tenantA + `"}`: 1, `{"sub": "` + tenantA + `"}`: 0,
		``: 0} {
		var n int
		if _, err := conn.Exec(t.Context(), "SELECT set_config('request.jwt.claims', $1, false)", claims); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM app.b").Scan(&n); err != nil || n != want {
			t.Errorf("claims %q: %d rows, %v; want %d", claims, n, err, want)
		}
	}
}
