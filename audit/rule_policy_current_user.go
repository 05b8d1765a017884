package audit

import "github.com/moat-db/moat/policy"

var rulePolicyRole = Rule{
	ID: "policy-current-user", Severity: High, Holes: []string{"P24"},
	Title: "A policy depends on the PostgreSQL role",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"Inside a SECURITY DEFINER function, or after SET ROLE, a statement sees the rows of another role's tenant.",
			"current_user is the role that the statement runs as at that moment.",
			f.narrowSQL, policy.ByRole)
	},
}
