package audit

import "github.com/moat-db/moat/policy"

var rulePolicyNotIsolating = Rule{
	ID: "policy-not-isolating", Severity: Critical, Holes: []string{"P37"},
	Title: "A policy does not compare the row's tenant with the caller's",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, o := range f.openPolicies(policy.Unrelated, policy.Literal) {
			if o.side == admitted || f.widens(o) {
				continue
			}
			x := onPart(o.r, o.p.Name,
				"Tenants reach each other's rows as far as the expression lets them.",
				"The expression is none of the forms that compare the tenant column with the caller's tenant. "+o.reach())
			if fix := f.narrowSQL(o); len(fix) > 0 {
				x = x.with(fix...)
			} else {
				x = x.decide("Compare a column that leads to the tenant with the caller's, or accept the finding with the reason why the policy is enough.")
			}
			out = append(out, x)
		}
		return out
	},
}
