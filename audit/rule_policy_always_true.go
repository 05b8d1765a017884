package audit

import "github.com/moat-db/moat/policy"

var rulePolicyAlwaysTrue = Rule{
	ID: "policy-always-true", Severity: Critical, Holes: []string{"P01", "P02", "P04", "P36"},
	Title: "A permissive policy is true for every row",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"Every tenant reaches the rows of every other by the commands this policy is for.",
			"A constant keeps nothing apart, and an UPDATE or DELETE without WHERE asks only the policies of its own command.",
			f.replaceSQL, policy.AlwaysTrue)
	},
}
