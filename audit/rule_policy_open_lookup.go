package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyOpenLookup = Rule{
	ID: "policy-open-lookup", Severity: Medium, Holes: []string{"P31"},
	Title: "A table in which a policy looks up tenants is open to all",
	check: each((*facts).lookups, func(f *facts, l lookup, report reporter) {
		if l.table.RLS || f.look.Class(l.table.QName()) == catalog.SharedTable || !f.appTouches(l.table, "SELECT") {
			return
		}
		report(onRelation(l.table,
			"Every tenant can read who belongs to which tenant.",
			fmt.Sprintf("The policy %s of %s reads this table, so the application role can read it too, and "+
				"it has no row-level security.", l.policy, l.of.QName())).
			decide("Enable row-level security on the table, with a policy for SELECT only that shows each caller its own rows."))
	}),
}
