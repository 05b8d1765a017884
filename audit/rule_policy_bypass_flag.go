package audit

import "github.com/moat-db/moat/policy"

var rulePolicyBypassFlag = Rule{
	ID: "policy-bypass-flag", Severity: Critical, Holes: []string{"P13"},
	Title: "A policy contains a flag that opens every row",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"One injected set_config call turns the flag on and exposes every tenant's rows.",
			"Any role can set a custom setting. Give operators a role of their own instead of a flag.",
			f.replaceSQL, policy.Flagged)
	},
}
