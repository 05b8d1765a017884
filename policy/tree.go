package policy

import (
	_ "embed"
	"fmt"
	"slices"
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

// Helper is a trigger that a shape needs, and its function, which runs with the rights of
// a role that policies do not bind.
type Helper struct {
	Table    catalog.QName
	Trigger  string
	When     string // AFTER INSERT OR UPDATE
	Function catalog.QName
	Body     string
	// Needs are words of a body that is a team's own and does the same; none: only Body.
	Needs []string
}

// TreeHelper keeps the closure of a tree.
func (v *View) TreeHelper() Helper {
	return Helper{v.Model.Tenants, "moat_tenant_tree", "AFTER INSERT OR UPDATE",
		catalog.QName{Schema: "moat", Name: "tenant_tree_maintain"}, v.inTenants(treeBody),
		[]string{"transaction_isolation", "pg_advisory_xact_lock", "delete from moat.tenant_tree"}}
}

// RootHelper keeps the level column of the tenants table.
func (v *View) RootHelper() Helper {
	parent := sqltext.Ident(v.Model.Shapes.Tree.Parent)
	return Helper{v.Model.Tenants, "moat_tenant_tree_root", "AFTER INSERT OR UPDATE OF " + parent,
		catalog.QName{Schema: catalog.OwnSchema, Name: "tenant_root"}, v.inTenants(rootBody), nil}
}

// LevelHelper fills the level column of a row from its tenant, for writers that do not
// know it, and whatever they say.
func (v *View) LevelHelper(t catalog.QName, column string) Helper {
	body := strings.NewReplacer(":level", catalog.Level, ":column", sqltext.Ident(column)).Replace(v.inTenants(levelBody))
	return Helper{t, "moat_root", "BEFORE INSERT OR UPDATE OF " + sqltext.Ident(column),
		catalog.QName{Schema: "moat", Name: sqltext.Name("root", t.Schema, t.Name)}, body, nil}
}

// NameHelper keeps a name that one tenant has had from every other. The key of the table of
// names decides, which no snapshot and no race deceives.
func (v *View) NameHelper(column string) Helper {
	body := strings.NewReplacer(":column", sqltext.Ident(column), ":key", sqltext.Ident(v.Model.Key),
		":source", sqltext.Literal(column), ":taken", catalog.NamesTaken().SQL()).Replace(nameBody)
	name := sqltext.Name("tenant_name", column)
	return Helper{v.Model.Tenants, sqltext.Name("moat", name), "AFTER INSERT OR UPDATE OF " + sqltext.Ident(column),
		catalog.QName{Schema: catalog.OwnSchema, Name: name}, body, nil}
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

// Create writes the function and the trigger. The function belongs to owner.
func (h Helper) Create(owner string) []string {
	return []string{
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n  "+
			"SET search_path = pg_catalog, pg_temp AS %s", h.Function.SQL(), sqltext.Dollar(h.Body)),
		fmt.Sprintf("ALTER FUNCTION %s() OWNER TO %s", h.Function.SQL(), sqltext.Ident(owner)),
		fmt.Sprintf("REVOKE ALL ON FUNCTION %s() FROM PUBLIC", h.Function.SQL()),
		fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(h.Trigger), h.Table.SQL()),
		fmt.Sprintf("CREATE TRIGGER %s %s ON %s FOR EACH ROW EXECUTE FUNCTION %s()", sqltext.Ident(h.Trigger), h.When,
			h.Table.SQL(), h.Function.SQL()),
	}
}

// Drop takes both away.
func (h Helper) Drop() []string {
	return []string{
		fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(h.Trigger), h.Table.SQL()),
		fmt.Sprintf("DROP FUNCTION IF EXISTS %s()", h.Function.SQL()),
	}
}

// Missing says what is wrong with a helper in the database, "" when it stands: the trigger
// is there and enabled, and its function is ours, and runs with the rights of a role that
// policies do not bind.
func (v *View) Missing(h Helper) string {
	t := v.Relation(h.Table)
	if t == nil {
		return "there is no table " + h.Table.String()
	}
	var found *catalog.Trigger
	for i := range t.Triggers {
		if t.Triggers[i].Name == h.Trigger && t.Triggers[i].Function == h.Function {
			found = &t.Triggers[i]
		}
	}
	switch {
	case found == nil:
		return "there is no trigger " + h.Trigger
	case found.Enabled != "origin" && found.Enabled != "always":
		return "trigger " + h.Trigger + " is " + found.Enabled
	case !strings.Contains(strings.ToUpper(found.Definition), strings.ToUpper(h.When+" ON ")):
		return "trigger " + h.Trigger + " does not run " + h.When
	case strings.Contains(found.Definition, " WHEN ("):
		return "trigger " + h.Trigger + " has a condition"
	}
	return v.missingFunction(h)
}

func (v *View) missingFunction(h Helper) string {
	all := v.Functions(h.Function)
	if len(all) != 1 {
		return "there is no function " + h.Function.String()
	}
	f := all[0]
	owner := v.Role(f.Owner)
	switch {
	case !f.Definer:
		return h.Function.String() + " is not SECURITY DEFINER"
	case owner == nil || !owner.BypassRLS && !owner.Super:
		return h.Function.String() + " belongs to a role that policies bind"
	case f.Body != h.Body && !h.doneBy(f.Body):
		return h.Function.String() + " is not as moat wrote it"
	}
	return ""
}

// doneBy reports whether a body of a team's own does what the helper does, by what it
// cannot do without. That it does so rightly, the rows tell.
func (h Helper) doneBy(body string) bool {
	body = strings.ToLower(body)
	lacks := func(word string) bool { return !strings.Contains(body, word) }
	return len(h.Needs) > 0 && !slices.ContainsFunc(h.Needs, lacks)
}
