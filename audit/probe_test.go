package audit_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const crossingSchema = `
	CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (1), (2);
	CREATE TABLE leads (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants);
	CREATE TABLE notes (tenant_id int NOT NULL REFERENCES tenants, lead int REFERENCES leads);
	CREATE TABLE odd (tenant_id int NOT NULL REFERENCES tenants, lead int CONSTRAINT odd_lead REFERENCES leads);
	CREATE TABLE tags (tenant_id int NOT NULL REFERENCES tenants, lead int REFERENCES leads);
	INSERT INTO leads VALUES (10, 1), (20, 2);
	INSERT INTO leads SELECT n, n % 2 + 1 FROM generate_series(100, 5000) AS n;
	INSERT INTO notes VALUES (1, 10), (1, 20), (2, 10), (2, NULL);
	INSERT INTO tags VALUES (1, 10);
	ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON leads USING (tenant_id = current_setting('app.current_tenant')::int);
	CREATE INDEX ON leads (tenant_id); ANALYZE leads`

// A question that fails is told and takes no other with it.
func TestProbe(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app := db.AppRole(t)
	db.Exec(t, crossingSchema+"; GRANT SELECT ON leads TO "+app)
	conn := db.Conn(t, db.URL)
	v, err := tenancy.Read(t.Context(), conn, tenancy.Options{Roles: []string{app}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Snapshot.Relations {
		v.Snapshot.Relations[i].Estimate.Rows = 1e6 // big enough to ask for the plan
	}
	db.Exec(t, "ALTER TABLE odd RENAME lead TO elsewhere")
	before := session(t, conn)
	e, err := audit.Probe(t.Context(), conn, v)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, c := range e.Crossing {
		counts[c.Table.Name] = c.Rows
	}
	if diff := cmp.Diff(map[string]int64{"notes": 2, "tags": 0}, counts); diff != "" {
		t.Errorf("crossing rows (-want +got):\n%s", diff)
	}
	if len(e.Unseen) != 1 || !strings.Contains(e.Unseen[0], "odd_lead of public.odd") {
		t.Errorf("unseen: %q, want the key of odd", e.Unseen)
	}
	plan, ok := e.Plans[v.Snapshot.Relations[0].QName()]
	if len(e.Plans) != 1 || !ok || plan.Sequential {
		t.Errorf("plans: %v, want leads' by its index", e.Plans)
	}
	if after := session(t, conn); after != before {
		t.Errorf("the session was %s and is left as %s", before, after)
	}
}

func session(t *testing.T, conn *pgx.Conn) (state string) {
	t.Helper()
	err := conn.QueryRow(t.Context(), `SELECT concat_ws(' ', current_user, current_setting('statement_timeout'),
		current_setting('transaction_read_only'), current_setting('app.current_tenant', true))`).Scan(&state)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(state)
}

// Who cannot see all rows cannot count them, and a lost connection is no evidence.
func TestProbeCannot(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app := db.AppRole(t)
	db.Exec(t, crossingSchema)
	conn := db.Conn(t, db.As(t, app))
	v, err := tenancy.Read(t.Context(), conn, tenancy.Options{Roles: []string{app}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := audit.Probe(t.Context(), conn, v)
	if err != nil || len(e.Crossing) != 0 || len(e.Unseen) != 3 {
		t.Errorf("crossing %v, unseen %q, %v; want three keys not counted", e.Crossing, e.Unseen, err)
	}
	super := db.Conn(t, db.URL)
	if v, err = tenancy.Read(t.Context(), super, tenancy.Options{Roles: []string{app}}); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := audit.Probe(gone, super, v); err == nil {
		t.Error("no error, though the context was done")
	}
}
