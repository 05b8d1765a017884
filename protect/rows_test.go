package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// crossing is a schema with a row of each kind that no key can be put on.
const crossing = `
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text);
INSERT INTO app.tenants VALUES ('00000000-0000-0000-0000-000000000001', 'A'),
  ('00000000-0000-0000-0000-000000000002', 'B');
CREATE TABLE app.orders (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
INSERT INTO app.orders (tenant_id) SELECT ('00000000-0000-0000-0000-00000000000' || 1 + i % 2)::uuid FROM
  generate_series(1, 10) i;
CREATE TABLE app.payments (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, order_id bigint REFERENCES app.orders);
INSERT INTO app.payments (tenant_id, order_id) SELECT o.tenant_id, o.id FROM app.orders o;
INSERT INTO app.payments (tenant_id, order_id) VALUES ('00000000-0000-0000-0000-000000000001', 1),
  ('00000000-0000-0000-0000-000000000001', 3);
CREATE TABLE app.refunds (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL,
  order_id bigint NOT NULL REFERENCES app.orders);
INSERT INTO app.refunds (tenant_id, order_id) SELECT tenant_id, id FROM app.orders;
CREATE TABLE app.jobs (id bigserial PRIMARY KEY, tenant_id uuid, kind text);
INSERT INTO app.jobs (kind) VALUES ('a'), ('b'), ('c');
CREATE TABLE app.lines (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES app.orders,
  payment_id bigint REFERENCES app.payments);
INSERT INTO app.lines (order_id, payment_id) VALUES (1, 1), (2, 1);
`

// TestCrossingRows: rows that cross tenants stop the keys of their table, with the
// list, and nothing else.
func TestCrossingRows(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRowsAfterThePlan
	b := newBench(t, crossing)
	b.cfg.Paths = map[string]string{"app.lines": "lines_order_id_fkey"}
	plan := b.plan(t)
	want := map[string]string{
		"rows/crossing/app.payments/payments_order_id_fkey": "2 rows",
		"rows/crossing/app.lines/lines_payment_id_fkey":     "1 row: ", // found before the column is there
		"rows/null/app.jobs":                                "3 rows",
	}
	for id, count := range want {
		at := slices.IndexFunc(plan.Decisions, func(d Decision) bool { return d.ID == id })
		if at < 0 || !strings.HasPrefix(plan.Decisions[at].Question, count) {
			t.Errorf("decision %s with %s is missing in %v", id, count, decisionIDs(plan))
		}
	}
	for _, s := range plan.Steps {
		if strings.Contains(s.ID, "payments_tenant_id_order_id_fkey") ||
			strings.Contains(s.ID, "payments_order_id_fkey/drop") || strings.Contains(s.ID, "jobs/not-null") {
			t.Errorf("planned on crossing rows: %s", s.ID)
		}
	}
	b.apply(t, GroupGuards)
	s := b.snapshot(t)
	for table, key := range map[string]string{"refunds": "refunds_order_id_fkey",
		"payments": "payments_order_id_fkey", "lines": "lines_order_id_fkey"} {
		k := relation(s, table).Constraint(key)
		if k == nil || strings.Contains(k.Definition, "(tenant_id, ") == (table == "payments") {
			t.Errorf("constraint %s of app.%s: %+v", key, table, k)
		}
	}
	if r := relation(s, "payments"); !r.RLS || !r.ForceRLS || len(r.Policies) != 2 {
		t.Error("payments is not isolated: a stopped key must stop nothing else")
	}
}

// TestRowsAfterThePlan: what a check finds between plan and apply stops the step
// like what was there before.
func TestRowsAfterThePlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, crossing)
	b.Exec(t, "DELETE FROM app.lines; DELETE FROM app.payments WHERE order_id IN (1, 3); DELETE FROM app.jobs")
	b.cfg.Paths = map[string]string{"app.lines": "lines_order_id_fkey"}
	plan := b.plan(t)
	b.Exec(t, "INSERT INTO app.payments (tenant_id, order_id) VALUES ('00000000-0000-0000-0000-000000000001', 1)")
	res, err := Apply(t.Context(), b.open, plan, ApplyOptions{Until: GroupGuards})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Stopped) != 1 || res.Stopped[0].Count != 1 || !strings.Contains(res.Stopped[0].Sample[0], "id=") {
		t.Errorf("stopped %+v, want one row of payments", res.Stopped)
	}
	if len(res.Skipped) != 2 {
		t.Errorf("skipped %v, want the validation and the end of the old key", res.Skipped)
	}
}

// TestStalePlan refuses a plan that another state of the database was looked at for.
func TestStalePlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, simple)
	plan := b.plan(t)
	b.Exec(t, "ALTER TABLE app.orders ADD COLUMN extra int")
	if _, err := Apply(t.Context(), b.open, plan, ApplyOptions{}); err == nil ||
		!strings.Contains(err.Error(), "changed") {
		t.Errorf("stale plan: %v", err)
	}
}

func decisionIDs(p *Plan) []string {
	var ids []string
	for _, d := range p.Decisions {
		ids = append(ids, d.ID)
	}
	return ids
}

func relation(s *catalog.Snapshot, name string) *catalog.Relation {
	for i := range s.Relations {
		if slices.Contains([]string{"app", "public"}, s.Relations[i].Schema) && s.Relations[i].Name == name {
			return &s.Relations[i]
		}
	}
	return &catalog.Relation{}
}
