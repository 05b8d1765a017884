package lifecycle_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

const copied = "dddddddd-0000-4000-8000-000000000004"

func TestClone(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRoundTrip
	w := newWorld(t, pgtest.Shared(t))
	_, err := w.operator(t).Clone(t.Context(), acme, copied, lifecycle.CloneOptions{})
	if err == nil || !strings.Contains(err.Error(), "app.tenants.slug='{}-copy'") {
		t.Fatalf("a slug must stay unique: %v", err)
	}
	w.Exec(t, `ALTER TABLE app.teams ADD owner uuid, ADD FOREIGN KEY (tenant_id, owner) REFERENCES app.memberships`)
	w.Exec(t, "UPDATE app.teams t SET owner = m.user_id FROM app.memberships m WHERE m.tenant_id = t.tenant_id")
	before := w.fingerprint(t, copied, true)
	opts := lifecycle.CloneOptions{Set: map[string]string{"app.tenants.slug": "{}-staging"}}
	for _, step := range []struct{ include, refusal string }{
		{"app.teams", "app.orders: 1 row names other tenants (buyer_id), who would see the copies"},
		{"app.orders", "--include app.memberships"}, // teams name their owners
		{"app.memberships", ""}, {"app.order_shares", ""},
	} {
		opts.Include = append(opts.Include, step.include)
		if step.refusal == "" {
			continue
		}
		_, err := w.operator(t).Clone(t.Context(), acme, copied, opts)
		if err == nil || !strings.Contains(err.Error(), step.refusal) {
			t.Fatalf("including %q: %v", opts.Include, err)
		}
	}
	if _, err = w.operator(t).Clone(t.Context(), acme, copied, opts); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.fingerprint(t, copied, true)); diff != "" {
		t.Errorf("rows of others changed:\n%s", diff)
	}
	for table, where := range mine {
		count := "SELECT count(*) FROM " + table + " x WHERE " + strings.ReplaceAll(where, "$1", "$1::uuid")
		if got, want := w.count(t, count, copied), w.count(t, count, acme); got != want {
			t.Errorf("%s: %d rows were made of %d", table, got, want)
		}
	}
	for what, sql := range map[string]string{
		"a person in another's team": `SELECT count(*) FROM app.people p JOIN app.teams m ON m.id = p.team_id
			WHERE p.tenant_id = $1 AND m.tenant_id <> $1`,
		"a home of another's": `SELECT count(*) FROM app.tenants x JOIN app.teams m ON m.id = x.home_team
			WHERE x.id = $1 AND m.tenant_id <> $1`,
		"a file with another's content": `SELECT count(*) FROM app.files f JOIN app.files o ON o.content = f.content
			WHERE f.tenant_id = $1 AND o.tenant_id <> $1`,
		"a lead lost": `SELECT 5 - count(lead_id) FROM app.teams WHERE tenant_id = $1`,
		"a slug":      `SELECT count(*) FROM app.tenants WHERE id = $1 AND slug <> 'acme-staging'`,
	} {
		if n := w.count(t, sql, copied); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Shared(t))
	o := w.operator(t)
	id, err := o.Create(t.Context(), map[string]string{"id": copied, "name": "Umbrella", "slug": "umbrella"})
	if err != nil || id != copied {
		t.Fatalf("%q, %v", id, err)
	}
	if _, err := o.Create(t.Context(), map[string]string{"nam": "x"}); err == nil || !strings.Contains(err.Error(),
		"no column nam") {
		t.Errorf("a misspelt column: %v", err)
	}
	if _, err := o.Create(t.Context(), map[string]string{"id": globex, "name": "x", "slug": "x"}); err == nil {
		t.Error("a tenant was created twice")
	}
	// The log names the tenant, also where a default makes its id, and none that was not created.
	made, err := o.Create(t.Context(), map[string]string{"name": "Hooli", "slug": "hooli"})
	if err != nil {
		t.Fatal(err)
	}
	const lines = `SELECT count(*) FROM moat.operator_log WHERE action = 'created the tenant' AND tenant_id`
	if n := w.count(t, lines+" = $1", made) + w.count(t, lines+" = $1", copied); n != 2 {
		t.Errorf("%d lines about two tenants", n)
	}
	if n := w.count(t, lines+" IS NULL OR $1 = tenant_id", globex); n != 0 {
		t.Errorf("%d lines name no tenant, or one that was there", n)
	}
}

// treeOfTenants refuses a change of its tenants where moat's own trigger does.
const treeOfTenants = `
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, parent_id uuid REFERENCES app.tenants, name text);
CREATE FUNCTION app.moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN RAISE EXCEPTION 'one snapshot'; END IF;
	RETURN NULL; END $$;
CREATE TRIGGER moved AFTER INSERT OR DELETE OR UPDATE OF parent_id ON app.tenants
	FOR EACH ROW EXECUTE FUNCTION app.moved();
CREATE TABLE app.leads (tenant_id uuid NOT NULL REFERENCES app.tenants, id int, name text CHECK (name <> 'not twice'),
	PRIMARY KEY (tenant_id, id));
INSERT INTO app.tenants VALUES ('` + globex + `', NULL, 'Globex'), ('` + acme + `', '` + globex + `', 'Acme');
INSERT INTO app.leads SELECT '` + acme + `', i, 'lead ' || i FROM generate_series(1, 9) i;`

// In a tree a tenant is copied below the same parent; where its rows cannot be, nothing stays.
func TestCloneInATree(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, treeOfTenants)
	w := &world{db, tenancy.Options{Column: "tenant_id", Tenants: named("app.tenants"), Key: "id",
		Shapes: catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id"}}}}
	opts := lifecycle.CloneOptions{Set: map[string]string{"app.leads.name": "not twice"}}
	if _, err := w.operator(t).Clone(t.Context(), acme, copied, opts); err == nil {
		t.Fatal("rows that break a check were copied")
	}
	if n := w.count(t, "SELECT count(*) FROM app.tenants WHERE id = $1", copied); n != 0 {
		t.Error("the copy failed, and its tenant stays")
	}
	if _, err := w.operator(t).Clone(t.Context(), acme, copied, lifecycle.CloneOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, `SELECT count(*) FROM app.leads l JOIN app.tenants x ON x.id = l.tenant_id
		WHERE x.id = $1 AND x.parent_id = '`+globex+`'`, copied); n != 9 {
		t.Errorf("%d leads below the parent, want 9", n)
	}
	tied := newWorld(t, pgtest.Shared(t)) // a tenant names its home team
	tied.options.Shapes.Tree = &catalog.Tree{Parent: "parent_id"}
	_, err := tied.operator(t).Clone(t.Context(), acme, copied, lifecycle.CloneOptions{
		Include: []string{"app.orders", "app.memberships"}, Set: map[string]string{"app.tenants.slug": "{}-2"}})
	if err == nil || !strings.Contains(err.Error(), "that row comes first") {
		t.Errorf("a tenant whose row refers to others of its: %v", err)
	}
}
