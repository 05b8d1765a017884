package audit

import "github.com/moat-db/moat/policy"

var rulePolicyFailOpen = Rule{
	ID: "policy-fail-open", Severity: Critical, Holes: []string{"P12"},
	Title: "A policy opens when no tenant is set",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"A statement that sets no tenant sees every tenant's rows.",
			"If the setting is missing, the policy falls back to the row's own tenant, to a constant or to true.",
			f.replaceSQL, policy.FailOpen)
	},
}
