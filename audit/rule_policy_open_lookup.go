package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyOpenLookup = Rule{
	ID: "policy-open-lookup", Severity: Medium, Holes: []string{"P31"},
	Title: "A table that a policy looks tenants up in is open to all",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, l := range f.lookups() {
			if l.table.RLS || f.class(l.table.QName()) == catalog.SharedTable || !f.appTouches(l.table, "SELECT") {
				continue
			}
			out = append(out, onRelation(l.table,
				"Every tenant reads who belongs to which tenant.",
				fmt.Sprintf("The policy %s of %s reads it, so the application role must, and it has no row-level security.", l.policy, l.of.QName())).
				decide("Enable row-level security on it with a policy that shows each caller its own rows, for SELECT only."))
		}
		return out
	},
}
