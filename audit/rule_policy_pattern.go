package audit

import "github.com/moat-db/moat/policy"

var rulePolicyPattern = Rule{
	ID: "policy-pattern", Severity: High, Holes: []string{"P16"},
	Title: "A policy compares the tenant by a pattern",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"A tenant whose id holds a wildcard, or is part of another's, sees the other's rows.",
			"LIKE, regular expressions, ranges and parts of strings are no equality.",
			f.replaceSQL, policy.Pattern)
	},
}
