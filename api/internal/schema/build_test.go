package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// What may be done with a column, and what its values are.
func TestColumns(t *testing.T) {
	t.Parallel()
	text := func(privileges ...catalog.Privilege) catalog.Column {
		return catalog.Column{Type: "text", Privileges: privileges}
	}
	number := catalog.Column{Type: "bigint", NotNull: true}
	with := func(c catalog.Column, change func(*catalog.Column)) catalog.Column { change(&c); return c }
	own := func(name string) catalog.Column {
		return catalog.Column{Type: "app." + name, TypeName: Name{Schema: "app", Name: name}}
	}
	tests := []struct {
		name     string
		column   catalog.Column
		table    []catalog.Privilege
		may      string // letters of select, insert, update
		scalar   bool
		base     string
		enum     int
		required bool // an insert cannot leave it out
	}{
		{"plain", text(), everything, "siu", true, "text", 0, false},
		{"required", number, everything, "siu", true, "bigint", 0, true},
		{"default", with(number, func(c *catalog.Column) { c.Default = "0" }), everything, "siu", true, "bigint", 0, false},
		{"identity", with(number, func(c *catalog.Column) { c.Identity = "by default" }), everything,
			"siu", true, "bigint", 0, false},
		{"identity always", with(number, func(c *catalog.Column) { c.Identity = "always" }), everything,
			"s", true, "bigint", 0, false},
		{"generated", with(number, func(c *catalog.Column) { c.Generated, c.Default = "stored", "a + 1" }), everything,
			"s", true, "bigint", 0, false},
		{"array", catalog.Column{Type: "text[]"}, everything, "siu", false, "text[]", 0, false},
		{"enum", own("mood"), everything, "siu", true, "app.mood", 2, false},
		{"domain", own("mail"), everything, "siu", true, "text", 0, false},
		{"other", own("point"), everything, "siu", false, "app.point", 0, false},
		{"read only", text(), to("app", "SELECT"), "s", true, "text", 0, false},
		{"of the column", text(to("app", "UPDATE")...), to("app", "SELECT"), "su", true, "text", 0, false},
		{"of everybody", text(), to("", "INSERT"), "i", true, "text", 0, false},
		{"of another role", text(to("other", "SELECT")...), to("app", "DELETE"), "", true, "text", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.snapshot.Types = []catalog.Type{{Schema: "app", Name: "mood", Kind: "enum", Labels: []string{"good", "bad"}},
				{Schema: "app", Name: "mail", Kind: "domain", Base: "text"}}
			r := w.table("x")
			tt.column.Name = "c"
			r.Columns, r.Privileges = append(r.Columns, tt.column), tt.table
			c := w.build(t).Table("app", "x").Column("c")
			may := ""
			for i, one := range []bool{c.Select, c.Insert, c.Update} {
				if one {
					may += "siu"[i : i+1]
				}
			}
			if may != tt.may || c.HasDefault() == tt.required {
				t.Errorf("may %q, without %v", may, c.HasDefault())
			}
			if c.Scalar != tt.scalar || c.Base != tt.base || len(c.Enum) != tt.enum {
				t.Errorf("%+v", c)
			}
		})
	}
}

// What is not granted is not mentioned, and what is not a table of the schema is not there.
func TestNotExposed(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*world){
		"not granted":       func(w *world) { w.table("x").Privileges = to("other", "SELECT") },
		"only to be locked": func(w *world) { w.table("x").Privileges = to("app", "TRUNCATE", "REFERENCES") },
		"an extension's":    func(w *world) { w.table("x").Extension = "postgis" },
		"a sequence":        func(w *world) { w.table("x").Kind = catalog.Sequence },
		"another schema's":  func(w *world) { w.table("x").Schema = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			make(w)
			if s := w.build(t); len(s.Tables) != 0 || len(s.Hidden) != 0 {
				t.Errorf("tables %v, hidden %v", s.Tables, s.Hidden)
			}
		})
	}
}

// The tenant column is told apart in tables of tenants, and not in their list.
func TestTenantColumn(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.table("leads", "id")
	w.table("tenants", "id")
	w.table("countries", "code")
	w.model.Tenants, w.model.Key = Name{Schema: "app", Name: "tenants"}, "id"
	w.model.Tables[1] = catalog.TableModel{Table: w.model.Tenants, Class: catalog.TenantsTable, Column: "id"}
	w.model.Tables[2].Class, w.model.Tables[2].Column = catalog.SharedTable, ""
	s := w.build(t)
	leads, tenants, countries := s.Table("app", "leads"), s.Table("app", "tenants"), s.Table("app", "countries")
	if !leads.Column("tenant_id").Tenant || leads.TenantType != "uuid" || leads.Column("id").Tenant || leads.Shared {
		t.Errorf("%+v", leads)
	}
	if tenants.TenantColumn != "id" || tenants.TenantType != "uuid" || tenants.Column("id").Tenant {
		t.Errorf("the list of tenants: %+v", tenants)
	}
	if countries.TenantColumn != "" || !countries.Shared {
		t.Errorf("%+v", countries)
	}
}

// Keys are those that hold for every row: not of a part of them, nor of expressions.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.table("x", "id", "mail", "name", "code")
	unique := func(columns ...string) catalog.Index {
		i := catalog.Index{Unique: true, Valid: true}
		for _, c := range columns {
			i.Keys = append(i.Keys, catalog.IndexKey{Column: c})
		}
		return i
	}
	partial, broken, expression, constraint := unique("mail"), unique("mail"), unique("mail", ""), unique("mail")
	partial.Predicate, broken.Valid, constraint.Constraint = "mail <> ''", false, true
	plain := unique("name")
	plain.Unique = false
	r.Constraints = []catalog.Constraint{key("tenant_id", "id"),
		{Type: catalog.Unique, Columns: []string{"tenant_id", "code"}},
		{Type: catalog.Check, Columns: []string{"name"}}}
	r.Indexes = []catalog.Index{partial, broken, expression, constraint, plain, unique("tenant_id", "mail")}
	x := w.build(t).Table("app", "x")
	want := [][]string{{"tenant_id", "id"}, {"tenant_id", "code"}, {"tenant_id", "mail"}}
	if diff := cmp.Diff(want, x.Uniques); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"tenant_id", "id"}, {"id"}}, [][]string{x.FullKey, x.Key}); diff != "" {
		t.Error(diff)
	}
}

// A view has the tenant column and the key of the one table that it reads, where it shows
// them, and may be written where PostgreSQL can write it.
func TestViewsOverTables(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		over   []string
		change func(*catalog.Relation)
		tenant string
		key    int
		write  string
	}{
		{"of one table", []string{"base"}, func(*catalog.Relation) {}, "tenant_id", 2, ""},
		{"of two", []string{"base", "second"}, func(*catalog.Relation) {}, "tenant_id", 0, ""},
		{"without the key", []string{"base"}, func(r *catalog.Relation) { r.Columns[1].Name = "number" }, "tenant_id", 0, ""},
		{"without the tenant", []string{"base"}, func(r *catalog.Relation) { r.Columns = r.Columns[1:] }, "", 0, ""},
		{"with a computed tenant", []string{"base"}, func(r *catalog.Relation) { r.Columns[0].Type = "text" }, "", 2, ""},
		{"updatable", []string{"base"}, func(r *catalog.Relation) { r.Updatable = true }, "tenant_id", 2, "ud"},
		{"insertable", []string{"base"}, func(r *catalog.Relation) { r.Insertable = true }, "tenant_id", 2, "i"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			for _, name := range []string{"base", "second"} {
				w.table(name, "id").Constraints = []catalog.Constraint{key("tenant_id", "id")}
			}
			tt.change(w.view("x", "owner", true, tt.over...))
			x := w.build(t).Table("app", "x")
			write := ""
			for i, one := range []bool{x.Insert, x.Update, x.Delete} {
				if one {
					write += "iud"[i : i+1]
				}
			}
			if x.TenantColumn != tt.tenant || len(x.FullKey) != tt.key || write != tt.write || !x.View {
				t.Errorf("tenant %q, key %v, write %q", x.TenantColumn, x.FullKey, write)
			}
		})
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.snapshot.Schemas = nil
	for _, name := range []string{"zoo", "public", "api", "app", "closed", "empty", "left_out"} {
		s := catalog.Schema{Name: name, Privileges: to("app", "USAGE")}
		if name == "closed" {
			s.Privileges = to("other", "USAGE")
		}
		w.snapshot.Schemas = append(w.snapshot.Schemas, s)
		if name != "empty" {
			w.table("t").Schema = name
		}
		if name != "left_out" {
			w.model.Schemas = append(w.model.Schemas, name)
		}
	}
	w.snapshot.Schemas = append(w.snapshot.Schemas, catalog.Schema{Name: "tools", Privileges: to("app", "USAGE")})
	tool := w.table("spatial_ref_sys")
	tool.Schema, tool.Extension = "tools", "postgis"
	w.model.Schemas = append(w.model.Schemas, "tools")
	build := func(names ...string) (*Schema, error) {
		return Build(policy.NewView(catalog.NewLookup(&w.snapshot, &w.model)), Options{Schemas: names})
	}
	s, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"app", "api", "public", "zoo"}, s.Schemas); diff != "" {
		t.Error(diff)
	}
	if s, err = build("left_out", "empty"); err != nil || len(s.Tables) != 1 || s.TableNames("left_out")[0] != "t" {
		t.Errorf("named schemas: %v %v", s, err)
	}
	for _, name := range []string{"closed", "nope"} {
		if _, err := build("app", name); err == nil || !strings.Contains(err.Error(), "schema "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.model.Schemas = []string{"empty"}
	if _, err := build(); err == nil || !strings.Contains(err.Error(), "serve.schemas") {
		t.Errorf("nothing to expose: %v", err)
	}
}

func TestScalar(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"text": true, "character varying(20)": true, "numeric(10,2)": true, "timestamp(3) with time zone": true,
		"int8": true, "bool": true, "varbit": true, "time without time zone": true, "jsonb": true,
		"text[]": false, "numeric(10,2)[]": false, "app.mood": false,
		"record": false, "regclass": false, "": false, "character varying(": false,
	} {
		if Scalar(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
