package audit

import "github.com/moat-db/moat/policy"

var rulePolicyNullEqual = Rule{
	ID: "policy-null-equal", Severity: Medium, Holes: []string{"P19"},
	Title: "A policy treats a missing tenant as the tenant NULL",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"A statement that sets no tenant can see and write the rows whose tenant is NULL.",
			"IS NOT DISTINCT FROM treats NULL as equal to NULL.",
			f.replaceSQL, policy.NullEqual)
	},
}
