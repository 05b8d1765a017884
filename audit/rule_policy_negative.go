package audit

import "github.com/moat-db/moat/policy"

var rulePolicyNegative = Rule{
	ID: "policy-negative", Severity: High, Holes: []string{"P32"},
	Title: "A policy says which rows are not seen",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"A missing setting, or a new tenant, opens the rows that nothing excludes.",
			"A negative condition isolates only what it names, and NULL turns it round.",
			f.replaceSQL, policy.Negative)
	},
}
