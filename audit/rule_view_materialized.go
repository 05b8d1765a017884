package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleViewMaterialized = Rule{
	ID: "view-materialized", Severity: Critical, Holes: []string{"V05", "V06"}, Peer: "materialized_view_in_api",
	Title: "The application role can read a materialized view of tenant rows",
	check: each(relations, func(f *facts, v *catalog.Relation, report reporter) {
		if v.Kind != catalog.MaterializedView || !slices.ContainsFunc(f.look.Beneath(v.QName()), f.holdsTenants) {
			return
		}
		app := f.ownerApp(v.Owner)
		if app == "" && !f.appTouches(v, "SELECT") {
			return
		}
		x := onRelation(v,
			"Every tenant can read all rows of the view, whichever tenant they come from.",
			"Row-level security cannot be enabled on a materialized view, and what the view contains "+
				"depends on who refreshed it.")
		if app != "" {
			owner, create := f.newOwner(v.Schema)
			x = x.with(create...).with(fmt.Sprintf("ALTER MATERIALIZED VIEW %s OWNER TO %s",
				v.QName().SQL(), sqltext.Ident(owner)),
				fmt.Sprintf("REVOKE ALL ON %s FROM %s CASCADE", v.QName().SQL(), sqltext.Ident(app)))
		}
		report(x.with(f.revokeAllSQL(v)...))
	}),
}
