package moat_test

import (
	"context"
	"strings"
	"testing"

	"github.com/moat-db/moat"
)

// leftovers are statements that leave something in a session, and a query that sees
// it there afterwards.
var leftovers = map[string][2]string{
	"session setting": {"select set_config('app.mail', 'from A', false)",
		"select coalesce(current_setting('app.mail', true), '')"},
	"search_path": {"select set_config('search_path', 'pg_catalog', false)",
		"select case current_setting('search_path') when 'pg_catalog' then 'left' else '' end"},
	"temporary table": {"create temporary table leads as select 'fake' as name",
		"select coalesce(to_regclass('pg_temp.leads')::text, '')"},
	"advisory lock": {"select pg_advisory_lock(42)",
		"select coalesce(max('held'), '') from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"},
	"listen": {"do $$ begin execute 'listen gossip'; end $$",
		"select coalesce(max(c), '') from pg_listening_channels() c"},
	"prepared": {
		"do $$ begin execute 'prepare stolen as select 1'; end $$",
		"select coalesce(max(name), '') from pg_prepared_statements where name = 'stolen'"},
	"cursor": {
		"do $$ begin execute 'declare held cursor with hold for select name from leads'; end $$",
		"select coalesce(max(name), '') from pg_cursors where name = 'held'"},
}

func TestParanoidLeavesNothing(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{Paranoid: true})
	for what, sql := range leftovers {
		if _, err := db.Exec(as(tenantA), sql[0]); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := names(t, as(tenantB), db, sql[1])[0]; got != "" {
			t.Errorf("%s: the next tenant finds %q", what, got)
		}
	}
	if got := names(t, as(tenantB), db, "select name from leads"); strings.Join(got, " ") != "b1 b2" {
		t.Errorf("B sees %q", got)
	}
	if got := names(t, as(tenantB), db, "select name from pg_prepared_statements"); len(got) != 0 {
		t.Errorf("named statements to poison: %q", got)
	}
}

// Without Paranoid these are left: the test above would pass anyway.
func TestPlainPoolKeepsLeftovers(t *testing.T) {
	t.Parallel()
	for what, sql := range leftovers {
		db := newLeads(t).open(t, 1, moat.Options{})
		if _, err := db.Exec(as(tenantA), sql[0]); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var got string
		if err := db.QueryRow(moat.WithScope(context.Background(), moat.Scope{Tenant: tenantB}), sql[1]).
			Scan(&got); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got == "" {
			t.Errorf("%s: nothing was left, so its paranoid test shows nothing", what)
		}
	}
}
