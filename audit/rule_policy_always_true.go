package audit

import "github.com/moat-db/moat/policy"

var rulePolicyAlwaysTrue = Rule{
	ID: "policy-always-true", Severity: Critical, Holes: []string{"P01", "P02", "P04", "P36"},
	Title: "A permissive policy is true for every row",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"Every tenant can reach every other tenant's rows with the commands that this policy covers.",
			"A constant isolates nothing, and an UPDATE or DELETE without WHERE is subject only to the "+
				"policies for its own command.",
			f.replaceSQL, policy.AlwaysTrue)
	},
}
