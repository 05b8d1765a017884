package plan

import (
	"testing"

	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// world is a snapshot in the making, for schemas that generated requests are planned
// over.
type world struct {
	snapshot catalog.Snapshot
	model    catalog.Model
}

func newWorld(column, sqlType string, schemas ...string) *world {
	w := &world{model: catalog.Model{Column: column, Type: sqlType}}
	w.snapshot.User = "app"
	for _, name := range schemas {
		w.snapshot.Schemas = append(w.snapshot.Schemas,
			catalog.Schema{Name: name, Privileges: []catalog.Privilege{{Grantee: "app", Name: "USAGE"}}})
	}
	return w
}

// table adds a protected table of a tenant; columns are name and type in turn.
func (w *world) table(in, name string, columns ...string) *catalog.Relation {
	r := w.relation(in, name, append([]string{w.model.Column, w.model.Type}, columns...))
	r.RLS, r.ForceRLS = true, true
	w.model.Tables = append(w.model.Tables,
		catalog.TableModel{Table: r.QName(), Class: catalog.TenantTable, Column: w.model.Column, Type: w.model.Type})
	return r
}

// shared adds a table that is the same for every tenant.
func (w *world) shared(in, name string, columns ...string) *catalog.Relation {
	r := w.relation(in, name, columns)
	w.model.Tables = append(w.model.Tables, catalog.TableModel{Table: r.QName(), Class: catalog.SharedTable})
	return r
}

func (w *world) relation(in, name string, columns []string) *catalog.Relation {
	r := catalog.Relation{Schema: in, Name: name, Kind: catalog.Table, Owner: "owner"}
	for _, p := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		r.Privileges = append(r.Privileges, catalog.Privilege{Grantee: "app", Name: p})
	}
	for i := 0; i < len(columns); i += 2 {
		r.Columns = append(r.Columns, catalog.Column{Name: columns[i], Type: columns[i+1], NotNull: i < 4})
	}
	w.snapshot.Relations = append(w.snapshot.Relations, r)
	return &w.snapshot.Relations[len(w.snapshot.Relations)-1]
}

// view adds a view with the caller's rights over tables of the same schema.
func (w *world) view(in, name string, columns []string, over ...string) {
	r := w.relation(in, name, columns)
	r.Kind, r.SecurityInvoker, r.Insertable, r.Updatable = catalog.View, true, true, true
	for i := range r.Columns {
		r.Columns[i].Origin = &catalog.ColumnRef{Relation: schema.Name{Schema: in, Name: over[0]}, Column: r.Columns[i].Name}
	}
	for _, table := range over {
		w.snapshot.Dependencies = append(w.snapshot.Dependencies, catalog.RelationDependency{
			From: r.QName(), Rule: "_RETURN", On: schema.Name{Schema: in, Name: table}})
	}
}

func (w *world) function(in, name, result string, params ...catalog.Param) {
	w.snapshot.Functions = append(w.snapshot.Functions,
		catalog.Function{Schema: in, Name: name, Kind: "function", Result: result,
			Volatile: "stable", Params: params, Privileges: []catalog.Privilege{{Name: "EXECUTE"}}})
}

func (w *world) build(t testing.TB) *schema.Schema {
	t.Helper()
	s, err := schema.Build(policy.NewView(catalog.NewLookup(&w.snapshot, &w.model)), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func primary(columns ...string) catalog.Constraint {
	return catalog.Constraint{Name: "pk", Type: catalog.PrimaryKey, Columns: columns}
}

func reference(name, in, table string, columns, references []string) catalog.Constraint {
	return catalog.Constraint{Name: name, Type: catalog.ForeignKey, Columns: columns,
		References: schema.Name{Schema: in, Name: table}, RefColumns: references}
}

// oddSchema has two schemas with names that want quoting, a tenant of type bigint, a
// self reference, and two foreign keys to one table.
func oddSchema(t testing.TB) *schema.Schema {
	t.Helper()
	const in = "Odd Schema"
	w := newWorld("Org", "bigint", in, "select")
	key := []string{"Org", "Key; --"}
	w.table(in, `or"der`, "Key; --", "bigint", "from", "bigint", "to.addr", "bigint", "naïve", "text", "a,b",
		`"Odd Schema"."Mood ""x"""`, "data->>x", "jsonb", "über(", "integer[]").
		Constraints = []catalog.Constraint{primary(key...),
		reference("from_fk", in, "Address Book", []string{"Org", "from"}, key),
		reference(`to"fk`, in, "Address Book", []string{"Org", "to.addr"}, key)}
	w.table(in, "Address Book", "Key; --", "bigint", "parent", "bigint", "street name", "text", "ends", "daterange").
		Constraints = []catalog.Constraint{primary(key...),
		reference("parent_fk", in, "Address Book", []string{"Org", "parent"}, key)}
	w.table(in, "user", "Key; --", "bigint", "group", "text", "Größe", "numeric(10,2)").
		Constraints = []catalog.Constraint{primary(key...)}
	w.table(in, "user-address", "user", "bigint", "address", "bigint", "since", "timestamp with time zone").
		Constraints = []catalog.Constraint{primary("Org", "user", "address"),
		reference("ua_u", in, "user", []string{"Org", "user"}, key),
		reference("ua_a", in, "Address Book", []string{"Org", "address"}, key)}
	w.table("select", "table", "id", "bigint", "where", "text").Constraints = []catalog.Constraint{primary("Org", "id")}
	w.shared("select", "and", "or", "text").Constraints = []catalog.Constraint{primary("or")}
	w.snapshot.Types = []catalog.Type{{Schema: in, Name: `Mood "x"`, Kind: "enum", Labels: []string{"so", "so so"}}}
	w.function(in, "Do It", `SETOF "Odd Schema"."user"`, catalog.Param{Name: "the arg", Type: "text", Mode: "in"},
		catalog.Param{Name: "list", Type: "integer[]", Mode: "variadic", HasDefault: true})
	w.function(in, "label of", "text", catalog.Param{Name: "row", Type: `"Odd Schema"."user"`, Mode: "in"})
	w.function(in, "add", "integer", catalog.Param{Name: "a", Type: "integer", Mode: "in"},
		catalog.Param{Name: "b", Type: "integer", Mode: "in", HasDefault: true})
	return w.build(t)
}

// webSchema has a tenant of type text, the tenants table, a view, a generated column,
// functions with OUT and TABLE columns and a computed relationship.
func webSchema(t testing.TB) *schema.Schema {
	t.Helper()
	w := newWorld("account", "text", "public")
	w.table("public", "pages", "slug", "text", "title", "text", "body", "text", "views", "bigint", "author", "uuid",
		"language", "text", "words", "integer").
		Constraints = []catalog.Constraint{primary("account", "slug"),
		reference("pages_author", "public", "people", []string{"account", "author"}, []string{"account", "id"}),
		reference("pages_language", "public", "languages", []string{"language"}, []string{"code"})}
	w.table("public", "people", "id", "uuid", "name", "text", "born", "date").
		Constraints = []catalog.Constraint{primary("account", "id")}
	w.table("public", "profiles", "id", "uuid", "bio", "text").
		Constraints = []catalog.Constraint{primary("account", "id"),
		reference("profiles_people", "public", "people", []string{"account", "id"}, []string{"account", "id"})}
	w.view("public", "titles", []string{"account", "text", "slug", "text", "title", "text"}, "pages")
	w.view("public", "anyone", []string{"id", "uuid", "name", "text"}, "people")
	w.shared("public", "languages", "code", "text", "name", "text").Constraints = []catalog.Constraint{primary("code")}
	tenants := w.relation("public", "accounts", []string{"id", "text", "name", "text"})
	tenants.RLS, tenants.ForceRLS, tenants.Constraints = true, true, []catalog.Constraint{primary("id")}
	w.model.Tenants, w.model.Key = tenants.QName(), "id"
	w.model.Tables = append(w.model.Tables,
		catalog.TableModel{Table: tenants.QName(), Class: catalog.TenantsTable, Column: "id", Type: "text"})
	pages := &w.snapshot.Relations[0]
	pages.Columns[len(pages.Columns)-1].Generated = "stored"
	pages.Columns[4].Default, pages.Columns[4].Identity = "0", "by default"
	in := func(name, sqlType string) catalog.Param { return catalog.Param{Name: name, Type: sqlType, Mode: "in"} }
	w.function("public", "totals", "TABLE(slug text, n bigint)", in("since", "date"),
		catalog.Param{Name: "slug", Type: "text", Mode: "table"}, catalog.Param{Name: "n", Type: "bigint", Mode: "table"})
	w.function("public", "pair", "record", in("a", "text"), catalog.Param{Name: "x", Type: "text", Mode: "out"},
		catalog.Param{Name: "y", Type: "json", Mode: "out"})
	w.function("public", "written_by", "SETOF people", in("p", "pages"))
	w.function("public", "echo", "json", in("", "json"))
	return w.build(t)
}
