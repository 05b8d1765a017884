package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSUnreachable = Rule{
	ID: "rls-unreachable", Severity: Medium, Holes: []string{"T04"},
	Title: "A tenant table has no row-level security, and only missing privileges protect it",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		if !f.unprotected(r) || f.exposed(r) {
			return
		}
		x := onRelation(r,
			"The next grant, or a default privilege, opens the table to every tenant.",
			fmt.Sprintf("The table has the tenant column %s, but no policy. No application role has a privilege on it "+
				"today.", f.tenantColumn(r.QName())))
		report(x.with(f.isolateSQL(r)...).with(enableSQL(r)...))
	}),
}
