package audit

import "github.com/moat-db/moat/policy"

var rulePolicyNegative = Rule{
	ID: "policy-negative", Severity: High, Holes: []string{"P32"},
	Title: "A policy says which rows to hide instead of which rows to show",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"If the setting is missing, or a new tenant is added, the rows that nothing excludes become visible.",
			"A negative condition hides only what it names, and NULL inverts it.",
			f.replaceSQL, policy.Negative)
	},
}
