package protect

import (
	"errors"
	"strings"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// observed is a bench that is observed, and a role that the application connects as today.
func observed(t *testing.T, c *pgtest.Cluster, schema string) (b *bench, worker string) {
	t.Helper()
	b = newBenchOn(t, c, schema)
	worker = b.Role(t, "worker", "LOGIN")
	b.Exec(t, "GRANT USAGE ON SCHEMA app TO "+worker+"; GRANT ALL ON ALL TABLES IN SCHEMA app TO "+worker+
		"; GRANT USAGE ON ALL SEQUENCES IN SCHEMA app TO "+worker)
	b.cfg.Observe = true
	b.apply(t, GroupObserve)
	return b, worker
}

func (b *bench) observation(t *testing.T) *Observation {
	t.Helper()
	o, err := Observe(t.Context(), b.Conn(t, b.URL))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// find returns the statements whose text begins so.
func (o *Observation) find(prefix string) (found []ObservedStatement) {
	for _, s := range o.Statements {
		if strings.HasPrefix(s.Statement, prefix) {
			found = append(found, s)
		}
	}
	return found
}

func (o *Observation) times(table string) (times int64) {
	for _, t := range o.Tables {
		if t.Table.String() == table {
			times = t.Times
		}
	}
	return times
}

func TestObserveThenEnforce(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestObserveLeavesNoTrace, which enforces too
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); observeThenEnforce(t, c) })
}

func observeThenEnforce(t *testing.T, c *pgtest.Cluster) {
	b, worker := observed(t, c, simple)
	if o := b.observation(t); !o.Clean() {
		t.Errorf("noted before anything ran: %+v", o)
	}
	for _, s := range b.plan(t).Steps {
		if GroupObserve.Includes(s.Group) {
			t.Errorf("planned again: %s", s.ID)
		}
	}
	conn := b.Conn(t, b.As(t, worker)+"&application_name=nightly")
	var n int
	for range 5 {
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM app.orders WHERE id > 0 AND status <> 'secret'").Scan(
			&n); err != nil || n != 300 {
			t.Fatalf("the worker counts %d, %v", n, err)
		}
	}
	o := b.observation(t)
	found := o.find("SELECT count(*) FROM app.orders WHERE id > ? AND status <> ?")
	if len(found) != 1 || found[0].Application != "nightly" || found[0].Command != "SELECT" || found[0].Tenant ||
		found[0].Role != worker || found[0].Reason != "row" || found[0].Times < 1 {
		t.Fatalf("found %+v in %+v", found, o)
	}
	if err := moat.CheckObserved(t.Context(), conn); !errors.Is(err, moat.ErrObserved) {
		t.Errorf("the application hears: %v", err)
	}
	b.cfg.Observe = false
	b.apply(t, GroupGuards)
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM app.orders").Scan(&n); err != nil || n != 0 {
		t.Errorf("after enforce the worker counts %d, %v", n, err)
	}
	if _, err := Observe(t.Context(), b.Conn(t, b.URL)); !errors.Is(err, ErrNotObserved) {
		t.Errorf("after enforce: %v", err)
	}
	if again := b.plan(t); !again.Empty() {
		t.Errorf("plan after enforce: %s", show(again))
	}
}

// Undo, and enforce followed by undo, leave the schema byte for byte as it was.
func TestObserveLeavesNoTrace(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		for _, until := range []Group{GroupObserve, GroupEnforce} {
			if testing.Short() && until == GroupObserve {
				continue // enforce comes after observe
			}
			b := newBenchOn(t, c, larger+teamPolicies)
			before, snapshot := dump(t, b), text(t, b.snapshot(t))
			b.cfg.Observe = true
			b.apply(t, GroupObserve)
			b.cfg.Observe, b.cfg.Narrowed = false, teamTables()
			if until == GroupEnforce {
				b.apply(t, GroupEnforce)
				if left := traces(t, b); left != "" {
					t.Errorf("enforce left %s", left)
				}
			}
			b.undo(t)
			if d := diff(before, dump(t, b)) + diff(snapshot, text(t, b.snapshot(t))); d != "" {
				t.Errorf("undo from %s left (- before, + after):\n%s", until, d)
			}
		}
	})
}

// teamPolicies are of a team that began by itself: restrictive ones, one for a command, a
// table with FORCE but without ENABLE, and one where only the owner is free.
const teamPolicies = `
CREATE POLICY "own" ON app.orders AS RESTRICTIVE USING (status <> 'hidden');
CREATE POLICY adding ON app.orders AS RESTRICTIVE FOR INSERT WITH CHECK (status = 'new');
CREATE POLICY everybody ON app.orders USING (true);
ALTER TABLE app.lines FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON app.notes USING (true);
ALTER TABLE app.notes ENABLE ROW LEVEL SECURITY;
`

// teamTables are those whose policies the wall narrows.
func teamTables() []string { return []string{"app.orders", "app.lines", "app.notes"} }

// traces names what is left of group observe.
func traces(t *testing.T, b *bench) (left string) {
	t.Helper()
	const q = `SELECT coalesce(string_agg(name, ', '), '') FROM (
	  SELECT polname::text FROM pg_policy WHERE starts_with(polname::text, '!') UNION ALL
	  SELECT relname FROM pg_class WHERE relnamespace = 'moat'::regnamespace AND (relkind = 'm' OR relname = 'notes')
	  UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'moat'::regnamespace AND proname LIKE 'note%'
	  UNION ALL SELECT polname FROM pg_policy WHERE 'pg_execute_server_program'::regrole = ANY (polroles)) t (name)`
	if err := b.Conn(t, b.URL).QueryRow(t.Context(), q).Scan(&left); err != nil {
		t.Fatal(err)
	}
	return left
}
