package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var rulePolicyRestrictiveEmpty = Rule{
	ID: "policy-restrictive-empty", Severity: High, Holes: []string{"P35"},
	Title: "A restrictive policy has no expression",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.policies[r.QName()] {
			if p.Permissive || p.Using != nil || p.Check != nil {
				continue
			}
			x := onPart(r, p.Name,
				"Every tenant can reach whatever the permissive policies open.",
				fmt.Sprintf("Without USING and WITH CHECK, the restrictive policy %s restricts nothing.", p.Name))
			if f.tenantColumn(r.QName()) == "" {
				x = x.decide("Say what the policy should restrict, or drop it.")
			} else {
				expr := f.predicate(r)
				using, check := expr, ""
				if p.Command == "INSERT" {
					using, check = "", expr
				}
				x = x.with(policy.Alter(r.QName(), p.Name, using, check))
			}
			report(x)
		}
	}),
}
