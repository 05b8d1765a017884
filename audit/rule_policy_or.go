package audit

import "github.com/moat-db/moat/policy"

var rulePolicyAlternative = Rule{
	ID: "policy-or", Severity: Critical, Holes: []string{"P38"},
	Title: "A policy has an alternative to the tenant",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"Rows of every tenant that satisfy the alternative are seen.",
			"AND binds tighter than OR: the tenant is compared in one branch only.",
			f.narrowSQL, policy.Alternative)
	},
}
