package audit

import "github.com/moat-db/moat/policy"

var rulePolicyAlternative = Rule{
	ID: "policy-or", Severity: Critical, Holes: []string{"P38"},
	Title: "A policy allows an alternative to the tenant comparison",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"Rows of every tenant that satisfy the alternative are visible.",
			"AND binds tighter than OR, so only one branch compares the tenant.",
			f.narrowSQL, policy.Alternative)
	},
}
