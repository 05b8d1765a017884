package plan

import (
	"testing"

	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// testSchema is a small schema written down, so that planning is tested without a
// database.
func testSchema(t testing.TB, changes ...func(*catalog.Snapshot)) *schema.Schema {
	t.Helper()
	all := []catalog.Privilege{{Grantee: "app", Name: "SELECT"}, {Grantee: "app", Name: "INSERT"},
		{Grantee: "app", Name: "UPDATE"}, {Grantee: "app", Name: "DELETE"}}
	tenant := catalog.Column{Name: "tenant_id", Type: "uuid", NotNull: true}
	id := catalog.Column{Name: "id", Type: "bigint", NotNull: true}
	key := catalog.Constraint{Name: "pk", Type: catalog.PrimaryKey, Columns: []string{"tenant_id", "id"}}
	reference := func(name, column, table string) catalog.Constraint {
		return catalog.Constraint{Name: name, Type: catalog.ForeignKey, Columns: []string{"tenant_id", column},
			References: schema.Name{Schema: "app", Name: table}, RefColumns: []string{"tenant_id", "id"}}
	}
	text := func(name string) catalog.Column { return catalog.Column{Name: name, Type: "text"} }
	table := func(name string, columns []catalog.Column, constraints ...catalog.Constraint) catalog.Relation {
		return catalog.Relation{Schema: "app", Name: name, Kind: catalog.Table, Owner: "owner", RLS: true, ForceRLS: true,
			Privileges: all,
			Columns:    columns, Constraints: constraints}
	}
	snapshot := &catalog.Snapshot{
		User:    "app",
		Schemas: []catalog.Schema{{Name: "app", Privileges: []catalog.Privilege{{Grantee: "app", Name: "USAGE"}}}},
		Relations: []catalog.Relation{
			table("campaigns", []catalog.Column{tenant, id, text("name"), {Name: "budget", Type: "numeric"}}, key),
			table("leads", []catalog.Column{tenant, id, {Name: "campaign_id", Type: "bigint"}, text("name"), text("odd \"name"),
				{Name: "score", Type: "integer", Default: "10"},
				{Name: "tags", Type: "text[]"}, {Name: "details", Type: "jsonb"}, {Name: "search", Type: "tsvector"}}, key,
				reference("leads_campaign", "campaign_id", "campaigns"),
				catalog.Constraint{Name: "u", Type: catalog.Unique, Columns: []string{"tenant_id", "name"}}),
			table("events", []catalog.Column{tenant, id, {Name: "lead_id", Type: "bigint"}, text("kind")}, key,
				reference("events_lead", "lead_id", "leads")),
			table("labels", []catalog.Column{tenant, id, text("name")}, key),
			table("lead_labels", []catalog.Column{tenant, {Name: "lead_id", Type: "bigint", NotNull: true},
				{Name: "label_id", Type: "bigint", NotNull: true}},
				catalog.Constraint{Name: "pk", Type: catalog.PrimaryKey, Columns: []string{"tenant_id", "lead_id", "label_id"}},
				reference("ll_lead", "lead_id", "leads"), reference("ll_label", "label_id", "labels")),
			table("countries", []catalog.Column{{Name: "code", Type: "text", NotNull: true}},
				catalog.Constraint{Name: "pk", Type: catalog.PrimaryKey, Columns: []string{"code"}}),
		},
		Functions: []catalog.Function{
			{Schema: "app", Name: "shout", Kind: "function", Result: "text", Volatile: "stable",
				Privileges: []catalog.Privilege{{Name: "EXECUTE"}},
				Params:     []catalog.Param{{Name: "l", Type: "app.leads", Mode: "in"}}},
			{Schema: "app", Name: "find", Kind: "function", Result: "SETOF app.leads", ReturnsSet: true, Volatile: "stable",
				Privileges: []catalog.Privilege{{Name: "EXECUTE"}},
				Params:     []catalog.Param{{Name: "q", Type: "text", Mode: "in"}}},
		},
	}
	for _, change := range changes {
		change(snapshot)
	}
	model := &catalog.Model{Column: "tenant_id", Type: "uuid"}
	for _, r := range snapshot.Relations {
		m := catalog.TableModel{Table: r.QName(), Class: catalog.TenantTable, Column: "tenant_id", Type: "uuid"}
		if r.Name == "countries" {
			m = catalog.TableModel{Table: r.QName(), Class: catalog.SharedTable}
		}
		model.Tables = append(model.Tables, m)
	}
	s, err := schema.Build(policy.NewView(catalog.NewLookup(snapshot, model)), schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
