package schema

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// world is a snapshot in the making.
type world struct {
	snapshot catalog.Snapshot
	model    catalog.Model
}

func newWorld() *world {
	w := &world{}
	w.snapshot.User = "app"
	w.snapshot.Roles = []catalog.Role{{Name: "app"}, {Name: "owner"}, {Name: "super", Super: true}}
	w.snapshot.Schemas = []catalog.Schema{{Name: "app", Privileges: []catalog.Privilege{{Grantee: "app", Name: "USAGE"}}}}
	w.model = catalog.Model{Column: "tenant_id", Type: "uuid"}
	return w
}

var everything = to("app", "SELECT", "INSERT", "UPDATE", "DELETE")

// to grants privileges to a role.
func to(role string, names ...string) (all []catalog.Privilege) {
	for _, name := range names {
		all = append(all, catalog.Privilege{Grantee: role, Name: name})
	}
	return all
}

// table adds a protected tenant table with these columns in addition to the tenant's.
func (w *world) table(name string, columns ...string) *catalog.Relation {
	r := catalog.Relation{Schema: "app", Name: name, Kind: catalog.Table, Owner: "owner", RLS: true, ForceRLS: true,
		Privileges: everything}
	for _, c := range append([]string{"tenant_id"}, columns...) {
		r.Columns = append(r.Columns, catalog.Column{Name: c, Type: "bigint"})
	}
	r.Columns[0].Type = "uuid"
	w.model.Tables = append(w.model.Tables,
		catalog.TableModel{Table: r.QName(), Class: catalog.TenantTable, Column: "tenant_id", Type: "uuid"})
	return w.add(r)
}

func (w *world) add(r catalog.Relation) *catalog.Relation {
	w.snapshot.Relations = append(w.snapshot.Relations, r)
	return &w.snapshot.Relations[len(w.snapshot.Relations)-1]
}

// view adds a view over tables.
func (w *world) view(name, owner string, invoker bool, over ...string) *catalog.Relation {
	for _, table := range over {
		w.snapshot.Dependencies = append(w.snapshot.Dependencies, catalog.RelationDependency{
			From: Name{Schema: "app", Name: name}, Rule: "_RETURN", On: Name{Schema: "app", Name: table}})
	}
	return w.add(catalog.Relation{Schema: "app", Name: name, Kind: catalog.View, Owner: owner, SecurityInvoker: invoker,
		Privileges: everything, Columns: []catalog.Column{{Name: "tenant_id", Type: "uuid"}, {Name: "id", Type: "bigint"}}})
}

func (w *world) build(t *testing.T) *Schema {
	t.Helper()
	s, err := Build(policy.NewView(catalog.NewLookup(&w.snapshot, &w.model)), Options{Schemas: []string{"app"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExposure(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		make   func(*world)
		reason string // "" means exposed
	}{
		{"protected", func(w *world) { w.table("x") }, ""},
		{"unprotected", func(w *world) { w.table("x").RLS = false }, "row-level security is off"},
		{"own", func(w *world) { w.table("x").Owner = "app" }, "owns it"},
		{"own through a role", func(w *world) {
			w.table("x").Owner = "team"
			w.snapshot.Memberships = []catalog.Membership{{Role: "team", Member: "app", Inherit: true}}
		}, "owns it"},
		{"partition", func(w *world) { w.table("x").Partition = true }, "partition"},
		{"shared", func(w *world) { w.table("x").RLS = false; w.model.Tables[0].Class = catalog.SharedTable }, ""},
		{"ignored", func(w *world) { w.table("x"); w.model.Tables[0].Class = catalog.IgnoredTable }, "ignored"},
		{"foreign table", func(w *world) { w.table("x").Kind = catalog.ForeignTable }, "foreign table"},
		{"invoker's view", func(w *world) { w.table("base"); w.view("x", "super", true, "base") }, ""},
		{"superuser's view", func(w *world) { w.table("base"); w.view("x", "super", false, "base") }, "bypasses"},
		{"owner's view, forced", func(w *world) { w.table("base"); w.view("x", "owner", false, "base") }, ""},
		{"owner's view, not forced", func(w *world) {
			w.table("base").ForceRLS = false
			w.view("x", "owner", false, "base")
		}, "do not bind the owner"},
		{"a member of the owner's view, not forced", func(w *world) {
			w.table("base").ForceRLS = false
			w.view("x", "clerk", false, "base")
			w.snapshot.Memberships = []catalog.Membership{{Role: "owner", Member: "clerk", Inherit: true}}
		}, "do not bind the owner"},
		{"a view of itself", func(w *world) { // PostgreSQL lets it be made, and refuses to read it
			x := w.view("x", "owner", true, "x")
			x.Columns[0].Origin = &catalog.ColumnRef{Relation: x.QName(), Column: "tenant_id"}
		}, ""},
		{"a rule's reading is no view's", func(w *world) {
			w.table("base").RLS = false
			w.view("x", "owner", false, "base")
			w.snapshot.Dependencies[0].Rule = "on_insert"
		}, ""},
		{"view of a view", func(w *world) {
			w.table("base")
			w.view("middle", "super", false, "base")
			w.view("x", "owner", true, "middle")
		}, "bypasses row-level security"},
		{"view of an unprotected table", func(w *world) {
			w.table("base").RLS = false
			w.view("x", "owner", true, "base")
		}, "row-level security is off"},
		{"materialized view", func(w *world) {
			w.table("base")
			w.view("x", "owner", false, "base").Kind = catalog.MaterializedView
		}, "no policies"},
		{"view of a materialized view", func(w *world) {
			w.table("base")
			w.view("middle", "owner", false, "base").Kind = catalog.MaterializedView
			w.view("x", "owner", true, "middle")
		}, "no policies"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.make(w)
			s := w.build(t)
			exposed := s.Table("app", "x") != nil
			reason := ""
			for _, h := range s.Hidden {
				if h.Name.Name == "x" {
					reason = h.Reason
				}
			}
			if exposed != (tt.reason == "") || !strings.Contains(reason, tt.reason) {
				t.Errorf("exposed %v, reason %q", exposed, reason)
			}
		})
	}
}

func TestPrivilegesThroughRoles(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.table("x").Privileges = append(to("readers", "SELECT"), to("writers", "INSERT")...)
	w.snapshot.Memberships = []catalog.Membership{{Role: "team", Member: "app", Inherit: true},
		{Role: "readers", Member: "team", Inherit: true}, {Role: "writers", Member: "app", Inherit: false}}
	table := w.build(t).Table("app", "x")
	if !table.Select || table.Insert {
		t.Errorf("select %v, insert %v: inherited privileges count, those behind SET ROLE do not", table.Select, table.Insert)
	}
}

func key(columns ...string) catalog.Constraint {
	return catalog.Constraint{Name: "pk", Type: catalog.PrimaryKey, Columns: columns}
}

func reference(name, table string, columns, references []string) catalog.Constraint {
	return catalog.Constraint{Name: name, Type: catalog.ForeignKey, Columns: columns,
		References: Name{Schema: "app", Name: table}, RefColumns: references}
}

// TestJunction: what protect makes of a junction, whose key lacks the tenant column,
// still joins its two sides; single foreign keys in addition to the composite ones are the same.
func TestJunction(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.table("tasks", "id").Constraints = []catalog.Constraint{key("tenant_id", "id")}
	w.table("tags", "id").Constraints = []catalog.Constraint{key("tenant_id", "id")}
	w.table("task_tags", "task_id", "tag_id").Constraints = []catalog.Constraint{
		key("task_id", "tag_id"),
		reference("one", "tasks", []string{"task_id"}, []string{"id"}),
		reference("two", "tasks", []string{"tenant_id", "task_id"}, []string{"tenant_id", "id"}),
		reference("three", "tags", []string{"tenant_id", "tag_id"}, []string{"tenant_id", "id"}),
	}
	s := w.build(t)
	found := s.Relationships(s.Table("app", "tasks"), "tags", "")
	if len(found) != 1 || found[0].Cardinality != ManyToMany || found[0].Constraint != "two" {
		t.Errorf("%+v", found)
	}
	if direct := s.Relationships(s.Table("app", "task_tags"), "tasks", ""); len(direct) != 1 {
		t.Errorf("%d ways from the junction", len(direct))
	}
}

func TestCast(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.table("x")
	w.snapshot.Types = []catalog.Type{{Schema: "app", Name: "mood", Kind: "enum"},
		{Schema: "other", Name: "hidden", Kind: "enum"}}
	s := w.build(t)
	for name, want := range map[string]string{
		"int": "integer", "TEXT": "text", "text[]": "text[]", "numeric(10,2)": "numeric(10,2)",
		"timestamptz(3)": "timestamp(3) with time zone",
		"mood":           `"app"."mood"`, "app.mood": `"app"."mood"`, "hidden": "", "other.hidden": "", "regclass": "",
		"int) from x": "", "numeric(a)": "", "": "",
	} {
		if got := s.Cast("app", name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	if got := Similar("leds", []string{"events", "leads"}, Close); got != "leads" {
		t.Error(got)
	}
	if got := Similar("zzzzzz", []string{"events", "leads"}, Loose); got != "" {
		t.Error(got)
	}
}
