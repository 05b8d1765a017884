package audit

import "github.com/moat-db/moat/policy"

var rulePolicyPattern = Rule{
	ID: "policy-pattern", Severity: High, Holes: []string{"P16"},
	Title: "A policy compares the tenant with a pattern",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"A tenant whose id contains a wildcard, or is part of another tenant's id, sees that tenant's rows.",
			"LIKE, regular expressions, ranges and substrings do not test for equality.",
			f.replaceSQL, policy.Pattern)
	},
}
