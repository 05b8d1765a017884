package audit

import "fmt"

var ruleRLSPoliciesInert = Rule{
	ID: "rls-policies-inert", Severity: Critical, Holes: []string{"C02"}, Peer: "policy_exists_rls_disabled",
	Title: "A table has policies, but row-level security is not enabled",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			r := &f.s.Relations[i]
			if r.RLS || len(r.Policies) == 0 || !isTable(r) {
				continue
			}
			out = append(out, onRelation(r,
				"Every tenant reads the rows of every other, as if the policies were not there.",
				fmt.Sprintf("It has %s, but without ENABLE ROW LEVEL SECURITY none is applied, FORCE or not.",
					plural(len(r.Policies), "policy", "policies"))).
				with(enableSQL(r)...))
		}
		return out
	},
}
