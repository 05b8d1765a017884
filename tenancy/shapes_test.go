package tenancy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

const shapedSchema = `CREATE SCHEMA app;
	CREATE TABLE app.tenants (id uuid PRIMARY KEY, parent_id uuid REFERENCES app.tenants, name text);
	CREATE TABLE app.users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, name text, hash text);
	CREATE TABLE app.memberships (tenant_id uuid NOT NULL REFERENCES app.tenants,
		user_id uuid NOT NULL REFERENCES app.users,
		role text, PRIMARY KEY (tenant_id, user_id));
	CREATE TABLE app.labels (id uuid PRIMARY KEY, tenant_id uuid REFERENCES app.tenants);
	CREATE TABLE app.orders (id uuid PRIMARY KEY, seller uuid NOT NULL REFERENCES app.tenants,
		buyer uuid NOT NULL REFERENCES app.tenants);
	CREATE TABLE app.board (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, owner_id uuid);
	CREATE TABLE app.board_share (tenant_id uuid NOT NULL, board_id uuid NOT NULL REFERENCES app.board,
		shared_with uuid NOT NULL REFERENCES app.tenants, can_edit boolean, PRIMARY KEY (shared_with, board_id));
	CREATE TABLE app.data (id uuid PRIMARY KEY, body text);
	CREATE TABLE app.document (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, data_id uuid NOT NULL REFERENCES app.data);
	CREATE TABLE app."Board" ("tenantId" uuid NOT NULL, id uuid PRIMARY KEY);`

// declared are the options that a moat.yaml gives.
func declared(t *testing.T, text string) tenancy.Options {
	t.Helper()
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tenancy.Options{Column: "tenant_id", Columns: c.Tables.Columns, Shapes: c.Shapes()}
}

// A declared shape is completed by the keys of the database, and its tables are classed
// by it.
func TestDeclaredShapes(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, shapedSchema)
	m, got := inferred(t, db, declared(t, `
tables:
  tree: {writes: below}
  columns: {app.Board: tenantId}
  shared_rows: {app.labels: null}
  members: {app.users: {through: app.memberships, person: user_id, columns: [id, name]}}
  parties: {app.orders: {owner: seller, reads: [buyer]}}
  shares: {app.board: {through: app.board_share, with: shared_with, edits: can_edit}}
  owned_by: {app.data: app.document.data_id}
  inside: {app.board: {owner: owner_id, all: [admin], own: [member]}}
caller: {table: app.memberships, subject: user_id}
`))
	for _, line := range []string{"app.users people", "app.orders tenant seller uuid", "app.Board tenant tenantId uuid",
		"app.data child", "app.labels tenant tenant_id uuid"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in:\n%s", line, got)
		}
	}
	if tree := m.Shapes.Tree; tree.Parent != "parent_id" || !tree.Writes || tree.Role != "moat_tree" {
		t.Errorf("tree: %+v", tree)
	}
	share := catalog.Shares{Table: app("board"), Key: "id", Through: app("board_share"), Row: "board_id",
		With: "shared_with", Edits: "can_edit"}
	if diff := cmp.Diff([]catalog.Shares{share}, m.Shapes.Shares); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	if x := m.Shapes.MembersOf(app("users")); x == nil || x.Key != "id" {
		t.Errorf("members: %+v", x)
	}
	if x := m.Shapes.OwnedByOf(app("data")); x == nil || x.Key != "id" {
		t.Errorf("owned by: %+v", x)
	}
	if c := m.Shapes.Caller; c.Tenant != "tenant_id" || c.All {
		t.Errorf("caller: %+v", c)
	}
}

func app(name string) catalog.QName { return catalog.QName{Schema: "app", Name: name} }

// What a shape names and the database does not have is an error that names the key.
func TestShapesOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, shapedSchema)
	s := snapshot(t, db)
	for text, key := range map[string]string{
		"tenant: {parent: above_id}":                                                           "tenant.parent",
		"tables: {tree: {fast: [app.nope]}}":                                                   "tables.tree.fast",
		"tables: {columns: {app.Board: tenant}}":                                               "tables.columns",
		"tables: {shared_rows: {app.users: null}}":                                             "tables.shared_rows",
		"tables: {shared_rows: {app.lables: null}}":                                            "tables.shared_rows",
		"tables: {from_above: [app.labels]}":                                                   "tables.from_above",
		"tables: {members: {app.users: {through: app.members, person: x, columns: [id]}}}":     "tables.members.app.users",
		"tables: {members: {app.users: {through: app.memberships, person: x, columns: [id]}}}": "tables.members.app.users",
		"tables: {members: {app.users: {through: app.data, person: id, columns: [id]}}}":       "tables.members.app.users",
		"tables: {parties: {app.orders: {owner: seller, reads: [courier]}}}":                   "tables.parties.app.orders",
		"tables: {shares: {app.board: {through: app.board_share, with: nobody}}}":              "tables.shares.app.board",
		"tables: {shares: {app.board: {through: app.memberships, with: user_id}}}":             "tables.shares.app.board",
		"tables: {owned_by: {app.data: app.document.datum}}":                                   "tables.owned_by.app.data",
		"tables: {inside: {app.board: {owner: nobody, own: [member]}}}":                        "tables.inside.app.board",
		"tables: {inside: {app.board: {owner: owner_id, issuer: iss, own: [member]}}}":         "tables.inside.app.board",
		"caller: {table: app.memberships, subject: person}":                                    "caller",
		"caller: {table: app.people}":                                                          "caller",
	} {
		var wrong *tenancy.ShapeError
		if _, err := tenancy.Infer(s, declared(t, text)); !errors.As(err, &wrong) || wrong.Key != key {
			t.Errorf("%s: %v", text, err)
		}
	}
}
