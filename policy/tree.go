package policy

import (
	_ "embed"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed sql/tenant_tree.sql
var treeBody string

//go:embed sql/tenant_root.sql
var rootBody string

//go:embed sql/level.sql
var levelBody string

//go:embed sql/tenant_name.sql
var nameBody string

// TreeHelper keeps the closure of a tree.
func (v *View) TreeHelper() Helper {
	return Helper{Table: v.Model.Tenants, Trigger: "moat_tenant_tree", When: "AFTER INSERT OR UPDATE",
		Function: catalog.QName{Schema: "moat", Name: "tenant_tree_maintain"},
		Body:     v.inTenants(treeBody),
		Needs:    []string{"transaction_isolation", "pg_advisory_xact_lock", "delete from moat.tenant_tree"}}
}

// RootHelper keeps the level column of the tenants table.
func (v *View) RootHelper() Helper {
	parent := sqltext.Ident(v.Model.Shapes.Tree.Parent)
	return Helper{Table: v.Model.Tenants, Trigger: "moat_tenant_tree_root", When: "AFTER INSERT OR UPDATE OF " + parent,
		Function: catalog.QName{Schema: catalog.OwnSchema, Name: "tenant_root"},
		Body:     v.inTenants(rootBody)}
}

// LevelHelper fills the level column of a row from its tenant, for writers that do not
// know it, and whatever they say.
func (v *View) LevelHelper(t catalog.QName, column string) Helper {
	body := strings.NewReplacer(":level", catalog.Level, ":column", sqltext.Ident(column)).Replace(v.inTenants(levelBody))
	return Helper{Table: t, Trigger: "moat_root", When: "BEFORE INSERT OR UPDATE OF " + sqltext.Ident(column),
		Function: catalog.QName{Schema: "moat", Name: sqltext.Name("root", t.Schema, t.Name)},
		Body:     body}
}

// NameHelper keeps a name that one tenant has had from every other. The key of the table of
// names decides, which no snapshot and no race deceives.
func (v *View) NameHelper(column string) Helper {
	body := strings.NewReplacer(":column", sqltext.Ident(column), ":key", sqltext.Ident(v.Model.Key),
		":source", sqltext.Literal(column), ":taken", catalog.NamesTaken().SQL()).Replace(nameBody)
	name := sqltext.Name("tenant_name", column)
	return Helper{Table: v.Model.Tenants, Trigger: sqltext.Name("moat", name),
		When:     "AFTER INSERT OR UPDATE OF " + sqltext.Ident(column),
		Function: catalog.QName{Schema: catalog.OwnSchema, Name: name},
		Body:     body}
}

// FreedName is a column by which tokens name their tenant, and why a value that one tenant
// has had can become another's.
type FreedName struct{ Column, Reason string }

// FreedNames are the columns whose [View.NameHelper] is missing; none with Citus, whose
// coordinator runs no triggers for its shards.
func (v *View) FreedNames() []FreedName {
	tenants := v.Relation(v.Model.Tenants)
	if tenants == nil || v.Citus() {
		return nil
	}
	var all []FreedName
	for _, column := range v.Model.Shapes.Names {
		if why := v.Missing(v.NameHelper(column)); why != "" && tenants.Column(column) != nil {
			all = append(all, FreedName{column, why})
		}
	}
	return all
}

func (v *View) inTenants(body string) string {
	const moat = "1836015988" // first key of the advisory locks: the word, as a number
	return strings.NewReplacer(":lock", moat, ":parent", sqltext.Ident(v.Model.Shapes.Tree.Parent),
		":key", sqltext.Ident(v.Model.Key), ":tenants", v.Model.Tenants.SQL()).Replace(body)
}
