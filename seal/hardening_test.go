package seal_test

import (
	"slices"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// hardened is what each measure closes: SQL that works before and fails after. Those
// without one change limits only.
var hardened = map[string][]string{
	"temp":           {"create temp table x (a int)"},
	"create":         {"create table public.x (a int)"},
	"activity":       {"select query from pg_stat_activity", "select pg_stat_get_backend_activity(1)"},
	"cancel":         {"select pg_cancel_backend(0)", "select pg_terminate_backend(0)"},
	"large_objects":  {"select lo_from_bytea(0, 'x')", "select lo_creat(-1)"},
	"advisory_locks": {"select pg_advisory_lock(1)", "select pg_try_advisory_xact_lock_shared(1, 2)"},
	"query_functions": {"select query_to_xml('select 1', true, false, '')",
		"select word from ts_stat('select ''a''::tsvector')"},
}

// TestHardening sees each measure close what it says, the program keep working with
// all of them, and their undo give everything back. It changes what belongs to
// every database of the cluster only through roles of its own.
func TestHardening(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newSealed(t, c)
		f.Exec(t, "grant create on schema public to public")
		measures := seal.Hardening(seal.HardeningOptions{Database: f.Name, Application: f.Role, Owner: f.Owner})
		run := func(statements []string) {
			for _, sql := range statements {
				f.Exec(t, sql)
			}
		}
		works := func(sql string) bool {
			conn := f.Conn(t, f.App)
			defer conn.Close(t.Context())
			_, err := conn.Exec(t.Context(), "begin; "+sql)
			return err == nil
		}
		for _, m := range measures {
			for _, sql := range hardened[m.ID] {
				if !works(sql) {
					t.Errorf("%s: %q fails before", m.ID, sql)
				}
			}
			run(m.SQL)
			run(m.SQL)
			for _, sql := range hardened[m.ID] {
				if works(sql) {
					t.Errorf("%s: %q works after", m.ID, sql)
				}
			}
		}
		for _, o := range []moat.Options{{Sealer: f.sealer(t, nil)}, {Sealer: f.sealer(t, nil), Paranoid: true}} {
			if n := count(t, f.open(t, 1, o), as(tenantA),
				"select count(*) from app.leads l join app.events e using (tenant_id, id)"); n != 20 {
				t.Errorf("%d rows with everything hardened, want 20", n)
			}
		}
		if limit := textOf(t, f, "show temp_file_limit"); limit != "1GB" {
			t.Errorf("temp_file_limit is %s", limit)
		}
		for _, m := range slices.Backward(measures) {
			run(m.Undo)
			for _, sql := range hardened[m.ID] {
				if !works(sql) {
					t.Errorf("%s: %q fails after the undo", m.ID, sql)
				}
			}
		}
	})
}

func textOf(t *testing.T, f *fixture, sql string) string {
	t.Helper()
	conn := f.Conn(t, f.App)
	var text string
	must(t, conn.QueryRow(t.Context(), sql).Scan(&text))
	return text
}

// A worker still finds its leader when statistics are taken from everybody else.
func TestWorkersUnderHardening(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestHardening, without workers
	c := pgtest.NewCluster(t, postgres.Options{})
	f := newSealed(t, c)
	for _, m := range seal.Hardening(seal.HardeningOptions{Database: f.Name, Application: f.Role, Owner: f.Owner}) {
		for _, sql := range m.SQL {
			f.Exec(t, sql)
		}
	}
	parallelEvents(t, f)
}
