package demo_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/demo"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// unprotect takes the demo's protection away: what is left is its sample data, as an
// application has it that trusts its own WHERE clauses. The tree goes too: the walls of
// shapes cannot be observed.
const unprotect = `DO $$ DECLARE r record; BEGIN
  FOR r IN SELECT oid::regclass AS t FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', r.t);
  END LOOP;
  FOR r IN SELECT polname, polrelid::regclass AS t FROM pg_policy LOOP
    EXECUTE format('DROP POLICY %I ON %s', r.polname, r.t);
  END LOOP;
  DROP TABLE moat.tenant_tree;
  DROP FUNCTION moat.tenant_tree_maintain() CASCADE;
END $$`

// What a worker sends that works through the leads of all clients and sets no tenant.
const (
	nextLeads = "select id, name, email, status, created_at from app.leads where status = $1 " +
		"order by created_at desc limit 50"
	oneLead = "select id, name, email, status from app.leads where id = $1"
)

// TestObserveTheDemo observes a worker that sets no tenant, and then enforces.
// MOAT_TEST_OBSERVE_PAIRS is the number of pairs of runs of 2 s, without and with
// observe, that are measured and printed; nothing is asserted of them.
func TestObserveTheDemo(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the tests of protect
	d, err := demo.Start(t.Context(), demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop() })
	admin, worker := connect(t, d.AdminURL), connect(t, d.ApplicationURL+"&application_name=worker")
	if _, err := admin.Exec(t.Context(), unprotect); err != nil {
		t.Fatal(err)
	}
	leads := count(t, worker)
	apply(t, d, protect.GroupObserve)
	begun := time.Now()
	if got := count(t, worker); got != leads || got == 0 {
		t.Errorf("the worker gets %d leads, %d before", got, leads)
	}
	o, err := protect.Observe(t.Context(), admin)
	if err != nil || len(o.Statements) != 1 || o.Statements[0].Statement != strings.ReplaceAll(nextLeads, "50", "?") ||
		o.Statements[0].Application != "worker" || o.Statements[0].Tenant {
		t.Fatalf("observed %+v, %v", o, err)
	}
	t.Logf("found after %v", time.Since(begun).Round(time.Millisecond))
	if n, err := strconv.Atoi(os.Getenv("MOAT_TEST_OBSERVE_PAIRS")); err == nil {
		measurePairs(t, d, admin, n)
	}
	apply(t, d, protect.GroupEnforce)
	if got := count(t, worker); got != 0 {
		t.Errorf("after enforce the worker gets %d leads", got)
	}
	if _, err := protect.Observe(t.Context(), admin); !errors.Is(err, protect.ErrNotObserved) {
		t.Errorf("after enforce: %v", err)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func count(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	rows, err := conn.Query(t.Context(), nextLeads, "new")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToMap)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func apply(t *testing.T, d *demo.Demo, until protect.Group) {
	t.Helper()
	open := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, d.AdminURL) }
	conn := connect(t, d.AdminURL)
	plan, _, unseen, err := protect.Look(t.Context(), conn, tenancy.Options{Schemas: []string{"app"},
		Roles:  []string{demo.ApplicationRole},
		Shared: []catalog.QName{{Schema: "app", Name: "people"}}}, protect.Config{Observe: until == protect.GroupObserve,
		OneTenant: []string{"app.tenants", "app.referrals"}})
	if err != nil || unseen != nil {
		t.Fatal(err, unseen)
	}
	if _, err := protect.Apply(t.Context(), open, plan, protect.ApplyOptions{Until: until}); err != nil {
		t.Fatal(err)
	}
}

// measurePairs prints what a statement of a worker costs without row-level security and
// observed, in turn: statements a second, and the CPU of server and worker together, which
// what else runs on the machine does not change.
func measurePairs(t *testing.T, d *demo.Demo, admin *pgx.Conn, pairs int) {
	for name, q := range map[string]string{"lists of 50": nextLeads, "single leads": oneLead} {
		var rates, costs []float64
		for range pairs {
			var rate, cost [2]float64
			for i, state := range []string{"disable", "enable"} {
				if _, err := admin.Exec(t.Context(), "alter table app.leads "+state+" row level security"); err != nil {
					t.Fatal(err)
				}
				rate[i], cost[i] = send(t, d, q)
			}
			t.Logf("%s: %.0f/s, %.0f µs of CPU without; %.0f/s, %.0f µs observed", name, rate[0], cost[0], rate[1], cost[1])
			rates, costs = append(rates, rate[1]/rate[0]), append(costs, cost[0]/cost[1])
		}
		slices.Sort(rates)
		slices.Sort(costs)
		t.Logf("%s: median ratio %.2f by the clock, %.2f by CPU", name, rates[pairs/2], costs[pairs/2])
	}
}

// send sends a statement for two seconds, and returns how often a second, and the
// microseconds of CPU that one took.
func send(t *testing.T, d *demo.Demo, q string) (rate, cost float64) {
	conn := connect(t, d.ApplicationURL)
	arg := "new"
	if q == oneLead {
		if err := conn.QueryRow(t.Context(), "select id from app.leads limit 1").Scan(&arg); err != nil {
			t.Fatal(err)
		}
	}
	const lasts = 2 * time.Second
	sent, used, begun := 0, cpu(t, conn), time.Now()
	for ; time.Since(begun) < lasts; sent++ {
		rows, err := conn.Query(t.Context(), q, arg)
		if err == nil {
			_, err = pgx.CollectRows(rows, pgx.RowToMap)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return float64(sent) / time.Since(begun).Seconds(), float64((cpu(t, conn) - used).Microseconds()) / float64(sent)
}

// cpu is the CPU time of this process and of the connection's backend.
func cpu(t *testing.T, conn *pgx.Conn) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", conn.PgConn().PID()))
	if err != nil {
		t.Fatal(err)
	}
	var backend int64
	var own syscall.Rusage
	if _, err := fmt.Sscan(string(stat), &backend); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		t.Fatal(err)
	}
	return time.Duration(backend + own.Utime.Nano() + own.Stime.Nano())
}
