package audit

import "github.com/moat-db/moat/policy"

var rulePolicyNullEqual = Rule{
	ID: "policy-null-equal", Severity: Medium, Holes: []string{"P19"},
	Title: "A policy takes no tenant for the tenant NULL",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"A statement that names no tenant sees, and writes, the rows without one.",
			"IS NOT DISTINCT FROM finds NULL equal to NULL.",
			f.replaceSQL, policy.NullEqual)
	},
}
