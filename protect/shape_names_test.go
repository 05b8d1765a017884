package protect

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// A name that one tenant has had is nobody else's, not in a race and not after its end; its
// own tenant may take it back.
func TestFreedNamesStayTaken(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the cli's TestTenantLookup
	b := shapedBench(t, pgtest.Shared(t), agency+`ALTER TABLE app.tenants ADD slug text UNIQUE;
		UPDATE app.tenants SET slug = lower(name) WHERE id < 5;`,
		catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id"}, Names: []string{"slug"}})
	before := text(t, b.snapshot(t))
	b.act(t, []scene{{tenant: "1", sql: "SELECT FROM moat.tenant_name", want: "42501"},
		{tenant: "1", sql: "DELETE FROM moat.tenant_name", want: "42501"}})
	for _, x := range []struct{ sql, want string }{
		{"UPDATE app.tenants SET slug = 'a2new' WHERE id = 3", ""},
		{"UPDATE app.tenants SET slug = 'a2' WHERE id = 5", "23505"},
		{"INSERT INTO app.tenants VALUES (7, NULL, 'B', 'a2')", "23505"},
		{"UPDATE app.tenants SET slug = 'a2' WHERE id = 3", ""},
		{"UPDATE app.tenants SET slug = 'z' WHERE id = 5", ""},
		{"DELETE FROM app.leads WHERE tenant_id = 3; DELETE FROM app.tenants WHERE id = 3", ""},
		{"INSERT INTO app.tenants VALUES (7, NULL, 'B', 'a2')", "23505"},
		{"INSERT INTO app.tenants VALUES (3, 1, 'A2', 'a2')", ""},
	} {
		got := ""
		if err := b.try(t, x.sql); err != nil {
			got = code(err)
		}
		if got != x.want {
			t.Errorf("%s: %q, want %q", x.sql, got, x.want)
		}
	}
	freedInRace(t, b)
	for _, table := range []catalog.QName{catalog.NamesTaken(), b.opts.Shapes.Tree.Closure()} {
		if err := b.try(t, "SET ROLE "+b.cfg.Roles.Operator+"; SELECT FROM "+table.SQL()); err != nil {
			t.Errorf("the operator's pg_dump: %v", err)
		}
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}

// freedInRace frees a name in one transaction while another, which began before, takes it.
func freedInRace(t *testing.T, b *bench) {
	t.Helper()
	for level, want := range map[string]string{"read committed": "23505", "repeatable read": "40001"} {
		late := b.Conn(t, b.url)
		run := func(sql string) {
			t.Helper()
			if _, err := late.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		run("BEGIN ISOLATION LEVEL " + level + "; SELECT FROM app.tenants")
		b.Exec(t, "UPDATE app.tenants SET slug = 'fresh "+level+"' WHERE id = 1; "+
			"UPDATE app.tenants SET slug = 'a' WHERE id = 1")
		if got := result(t.Context(), late, "UPDATE app.tenants SET slug = 'fresh "+level+"' WHERE id = 2"); got != want {
			t.Errorf("%s: %s, want %s", level, got, want)
		}
		run("ROLLBACK")
	}
}
