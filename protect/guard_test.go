package protect

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const tenantA = "00000000-0000-0000-0000-000000000001"

// TestIsolated asks as the application role, never as owner or superuser.
func TestIsolated(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); testIsolated(t, c) })
}

func testIsolated(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, simple)
	b.apply(t, GroupGuards)
	app := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	b.CheckAppRole(t, b.cfg.Roles.Application)
	for table, own := range map[string]int{"app.orders": 100, "app.lines": 667, "app.notes": 1001, "app.tenants": 1,
		"app.open_orders": 100} {
		if n := visible(t, app, "", table); n != 0 {
			t.Errorf("%s without a tenant: %d rows", table, n)
		}
		if n := visible(t, app, tenantA, table); n != own {
			t.Errorf("%s: %d rows of tenant A, want %d", table, n, own)
		}
	}
	for _, attempt := range []string{
		"INSERT INTO app.orders (tenant_id) VALUES ('00000000-0000-0000-0000-000000000002')",
		"INSERT INTO app.lines (order_id, qty) SELECT 1, 1", // order 1 is tenant B's
		"UPDATE app.orders SET tenant_id = '00000000-0000-0000-0000-000000000002'",
		"TRUNCATE app.notes", "CREATE TEMP TABLE x ()", "CREATE TABLE public.x ()", "CREATE TABLE app.x ()",
		"SELECT * FROM moat.steps", "SELECT moat.remember('app.orders')",
	} {
		if err := as(t, app, tenantA, attempt); err == nil {
			t.Errorf("allowed: %s", attempt)
		}
	}
	if err := as(t, app, tenantA, "INSERT INTO app.orders DEFAULT VALUES"); err != nil {
		t.Errorf("insert into the own tenant: %v", err)
	}
}

// TestSearchFunction finds the tenant's own rows only, with the index.
func TestSearchFunction(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); testSearchFunction(t, c) })
}

func testSearchFunction(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, simple+"UPDATE app.orders SET search = to_tsvector('simple', 'word ' || id);")
	b.apply(t, GroupGuards)
	app := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	const f = "moat.search_app_orders_orders_search('word', 1000)"
	if n := visible(t, app, tenantA, f); n != 100 {
		t.Errorf("search finds %d rows of tenant A, want 100", n)
	}
	if n := visible(t, app, "", f); n != 0 {
		t.Errorf("search without a tenant finds %d rows", n)
	}
}

func visible(t *testing.T, conn *pgx.Conn, tenant, from string) int {
	t.Helper()
	var n int
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		if tenant != "" {
			if _, err := tx.Exec(t.Context(), "SELECT set_config('app.current_tenant', $1, true)", tenant); err != nil {
				return err
			}
		}
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM "+from).Scan(&n)
	})
	if err != nil {
		t.Fatalf("count %s: %v", from, err)
	}
	return n
}

// as runs a statement as a tenant and rolls it back.
func as(t *testing.T, conn *pgx.Conn, tenant, q string) error {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "SELECT set_config('app.current_tenant', $1, true)", tenant); err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), q)
	return err
}

// TestGuardRefuses tries to weaken what the guard keeps, as superuser.
func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); testGuardRefuses(t, c) })
}

func testGuardRefuses(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, simple+"CREATE TABLE app.events (tenant_id uuid NOT NULL, at date NOT NULL) PARTITION BY "+
		"RANGE (at); CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');")
	b.apply(t, GroupGuards)
	conn := b.Conn(t, b.URL)
	for _, attempt := range []string{
		"ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY",
		"ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY",
		"ALTER TABLE app.events_1 DISABLE ROW LEVEL SECURITY",
		"DROP POLICY tenant_isolation ON app.orders",
		"ALTER POLICY tenant_isolation ON app.orders USING (true)",
		"ALTER POLICY tenant_isolation ON app.orders WITH CHECK (true)",
		"ALTER POLICY tenant_isolation ON app.orders TO " + b.cfg.Roles.Operator,
		"ALTER TABLE app.orders DROP COLUMN tenant_id CASCADE",
		"SET session_replication_role = replica; ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY",
	} {
		if err := as(t, conn, tenantA, attempt); err == nil && !strings.HasPrefix(attempt, "SET") {
			t.Errorf("allowed: %s", attempt)
		}
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SET LOCAL session_replication_role = replica"); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY"); err == nil {
		t.Error("allowed in a replica session")
	}
	_ = tx.Rollback(t.Context())
	for _, fine := range []string{"ALTER TABLE app.orders ADD COLUMN x int",
		"CREATE POLICY more ON app.orders USING (status = 'new')", "DROP POLICY tenant_access ON app.orders",
		"DROP TABLE app.notes", "ALTER TABLE app.orders RENAME TO purchases", "CREATE TEMP TABLE x (a int)"} {
		if err := as(t, conn, tenantA, fine); err != nil {
			t.Errorf("refused: %s: %v", fine, err)
		}
	}
}

// TestGuardCloses makes tables in every way there is: each is enabled and forced.
func TestGuardCloses(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); testGuardCloses(t, c) })
}

func testGuardCloses(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, simple+"CREATE TABLE app.events (tenant_id uuid NOT NULL, at date NOT NULL) PARTITION BY "+
		"RANGE (at);")
	b.cfg.LeaveOpen = []string{"app.river_job"}
	b.apply(t, GroupGuards)
	b.Exec(t, `CREATE TABLE app.new_1 (id int);`)
	b.Exec(t, `CREATE TABLE app.river_job (id int); CREATE TABLE app.migrations (id int, tenant_id uuid, name text);
	CREATE TABLE app.bun_migrations (id bigserial, name text);
	CREATE TABLE app.our_versions (id int, version_id bigint, is_applied bool, tstamp timestamp);`)
	b.Exec(t, `CREATE TABLE app.new_2 AS SELECT * FROM app.orders;`)
	b.Exec(t, `SELECT * INTO app.new_3 FROM app.orders;`)
	b.Exec(t, `CREATE TABLE app.new_4 (LIKE app.orders INCLUDING ALL);`)
	b.Exec(t, `CREATE TABLE app.new_5 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');`)
	b.Exec(t, `CREATE TABLE public.outside (id int); ALTER TABLE public.outside DISABLE ROW LEVEL SECURITY;
	CREATE TABLE app.goose_db_version (id int)`)
	b.Exec(t, `CREATE TABLE app.new_6 () INHERITS (app.orders);`)
	s := b.snapshot(t)
	for _, name := range []string{"new_1", "new_2", "new_3", "new_4", "new_5", "new_6"} {
		if r := relation(s, name); !r.RLS || !r.ForceRLS {
			t.Errorf("app.%s is open", name)
		}
	}
	for _, name := range []string{"goose_db_version", "bun_migrations", "our_versions", "river_job"} {
		if r := relation(s, name); r.Name == "" || r.RLS {
			t.Errorf("app.%s was closed: it is a migration tool's, or named", name)
		}
	}
	if !relation(s, "migrations").RLS {
		t.Error("a business table called migrations is open")
	}
	b.Exec(t, "DROP TABLE app.migrations, app.bun_migrations, app.our_versions, app.river_job")
	b.Exec(t, `CREATE OR REPLACE VIEW app.open_orders AS SELECT * FROM app.orders WHERE status = 'new'`)
	if r := relation(b.snapshot(t), "open_orders"); b.Cluster().Major >= 15 && !r.SecurityInvoker {
		t.Error("CREATE OR REPLACE VIEW has lost security_invoker")
	}
	if again := b.plan(t); !again.Empty() && strings.Contains(show(again), "event-triggers") {
		t.Errorf("the guard is planned again: %s", show(again))
	}
	// What came later is protected like the rest, and undone with it.
	b.apply(t, GroupGuards)
	if again := b.plan(t); !again.Empty() {
		t.Errorf("second plan: %s", show(again))
	}
	b.undo(t)
}
