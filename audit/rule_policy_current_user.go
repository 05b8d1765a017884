package audit

import "github.com/moat-db/moat/policy"

var rulePolicyRole = Rule{
	ID: "policy-current-user", Severity: High, Holes: []string{"P24"},
	Title: "A policy decides by the PostgreSQL role",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"Inside a SECURITY DEFINER function, or after SET ROLE, the rows of another role's tenant are seen.",
			"current_user is whoever the statement runs as at that moment.",
			f.narrowSQL, policy.ByRole)
	},
}
