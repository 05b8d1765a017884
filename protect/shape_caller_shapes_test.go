package protect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// sound applies the plan, wants a second one to be empty, and audit to find nothing, in plain
// and in sealed mode.
func (b *bench) sound(t *testing.T, scenes []scene) {
	t.Helper()
	b.act(t, scenes)
	if found := b.audited(t); len(found) > 0 {
		t.Errorf("findings of a sound database: %q", found)
	}
	b.seal(t)
	b.playAll(t, scenes)
	if found := b.audited(t); len(found) > 0 {
		t.Errorf("findings of a sound sealed database: %q", found)
	}
	if again := b.plan(t); !again.Empty() {
		t.Errorf("plan of a sealed database: %s", show(again))
	}
}

// Audit accepts every shape beside a caller, whatever the mode, and where the tree's role writes.
func TestCallerBesideEveryShape(t *testing.T) {
	t.Parallel()
	for i, all := range []bool{true, false} {
		if i > 0 {
			pgtest.Full(t)
		}
		shapes := everyShape()
		shapes.Tree.Writes = true
		shapes.Caller = &catalog.Caller{Table: in("memberships"), Subject: "user_id", Role: "role", All: all}
		b := shapedBench(t, pgtest.Shared(t), shapesSchema, shapes)
		b.forged = person(5)
		b.sound(t, []scene{{tenant: clientB, subject: person(4), sql: "SELECT count(*) FROM app.orders", want: "1"},
			{tenant: clientB, subject: person(5), sql: "SELECT count(*) FROM app.orders", want: "0"}})
	}
}

// A tenant whose type has a length, or is a domain of one, and names that are written between
// quotes: the server prints the walls with casts of arrays, and they are known all the same.
func TestCallerOfTextsAndQuotedNames(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCallerBesideEveryShape
	for i, typ := range []string{"app.tid", "varchar(20)"} {
		if i > 0 {
			pgtest.Full(t)
		}
		schema := strings.NewReplacer("tenant_id int", `"Tenant Id" `+typ, "tenant_id", `"Tenant Id"`,
			"user_id", `"User""Id"`, "memberships", `"Member's Ships"`, "app.tenants (id int", "app.tenants (id "+typ,
			"name text);", "name text, parent_id "+typ+" REFERENCES app.tenants);",
			"CREATE SCHEMA app;", "CREATE SCHEMA app; CREATE DOMAIN app.tid AS varchar(20);").
			Replace(strings.Replace(clubs, "name text, email", "name text , email", 1))
		members := in("Member's Ships")
		b := shapedBench(t, pgtest.Shared(t), schema+"UPDATE app.tenants SET parent_id = '1' WHERE id = '3'", catalog.Shapes{
			Tree:   &catalog.Tree{Parent: "parent_id", Fast: []catalog.QName{in("projects")}},
			Caller: &catalog.Caller{Table: members, Subject: `User"Id`, All: true},
			Members: []catalog.Members{{Table: in("users"), Through: members, Person: `User"Id`,
				Columns: []string{"id", "name"}}}})
		b.opts.Column, b.forged = "Tenant Id", "4"
		const names = "SELECT string_agg(name, ',' ORDER BY id) FROM app.users"
		b.sound(t, []scene{{tenant: "1", subject: "2", sql: projects, want: "4"},
			{tenant: "1", subject: "2", tree: true, sql: projects, want: "6"},
			{tenant: "3", subject: "2", sql: names, want: "U1,U2,U3"}, {tenant: "2", subject: "3", tree: true, sql: names,
				want: "U2,U3"}, {tenant: "1", subject: "5", sql: projects, want: "0"}})
	}
}

// Where the caller is a claim, and there is no current tenant, rows for everybody are for
// whoever belongs to one. A table that keeps its own policies needs no gate.
func TestCallerOfClaimsReadsSharedRows(t *testing.T) {
	t.Parallel()
	const me = "(SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::int)"
	b := shapedBench(t, pgtest.Shared(t), strings.Replace(clubs, "name text);",
		"name text, parent_id int REFERENCES app.tenants);", 1)+`
		CREATE TABLE app.labels (id int, tenant_id int REFERENCES app.tenants);
		INSERT INTO app.labels VALUES (1, 1), (3, 3), (9, NULL);
		INSERT INTO app.users VALUES (5, 'U5');
		CREATE TABLE app.tasks (tenant_id int NOT NULL REFERENCES app.tenants, id int, PRIMARY KEY (tenant_id, id));
		ALTER TABLE app.tasks ENABLE ROW LEVEL SECURITY;
		CREATE POLICY mine ON app.tasks USING (tenant_id IN (SELECT m.tenant_id FROM app.memberships m
			WHERE m.user_id = `+me+`))`,
		catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id"}, SharedRows: []catalog.SharedRows{{Table: in("labels")}},
			Caller: &catalog.Caller{Table: in("memberships"), Subject: "user_id", All: true}})
	labels := func(claims, want string, tree bool) scene {
		return scene{tree: tree, want: want, sql: fmt.Sprintf("SELECT set_config('request.jwt.claims', '%s', true); "+
			"SELECT string_agg(id::text, ',' ORDER BY id) FROM app.labels", claims)}
	}
	b.act(t, []scene{labels(`{"sub": 2}`, "1,9", false), labels(`{"sub": 2}`, "1,9", true),
		labels(`{"sub": 4}`, "3,9", false), labels(`{"sub": 5}`, "<nil>", false), labels(`{}`, "<nil>", false),
		labels("", "<nil>", false)})
	if found := b.audited(t); len(found) > 0 {
		t.Errorf("findings of a sound database: %q", found)
	}
}
