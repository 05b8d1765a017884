package audit

import "github.com/moat-db/moat/policy"

var rulePolicyBypassFlag = Rule{
	ID: "policy-bypass-flag", Severity: Critical, Holes: []string{"P13"},
	Title: "A policy has a flag that opens every row",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"One set_config in an injected expression switches the flag on and opens every tenant's rows.",
			"Everyone may set a custom setting; operators need a role of their own, not a flag.",
			f.replaceSQL, policy.Flagged)
	},
}
