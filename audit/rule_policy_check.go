package audit

import (
	"cmp"
	"fmt"

	"github.com/moat-db/moat/policy"
)

var rulePolicyCheck = Rule{
	ID: "policy-check", Severity: High, Holes: []string{"P05", "P08"},
	Title: "A policy accepts new rows for other tenants",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, o := range f.openPolicies() {
			if o.side != admitted {
				continue
			}
			out = append(out, onPart(o.r, o.p.Name,
				"A tenant can insert rows as another tenant's, or move its own rows there.",
				fmt.Sprintf("The WITH CHECK expressions of permissive policies are combined with OR, apart from USING, and this "+
					"one does not isolate (%s). %s", cmp.Or(string(o.flaw), "open"), o.reach())).
				with(f.checkSQL(o)...))
		}
		return out
	},
}

func (f *facts) checkSQL(o openPolicy) []string {
	if f.tenantColumn(o.r.QName()) == "" {
		return nil
	}
	expr := f.predicate(o.r)
	if o.flaw != policy.AlwaysTrue && o.p.Check != nil {
		expr += " AND " + enclosed(o.p.Check.Text)
	}
	return []string{policy.Alter(o.r.QName(), o.p.Name, "", expr)}
}
