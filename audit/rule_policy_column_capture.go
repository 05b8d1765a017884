package audit

import "github.com/moat-db/moat/policy"

var rulePolicyCaptured = Rule{
	ID: "policy-column-capture", Severity: Critical, Holes: []string{"P14"},
	Title: "A policy's subquery does not look at the row's tenant",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"Every tenant for which the subquery finds anything sees every row.",
			"An unqualified column name in the subquery means the inner table's column, so the row itself is not compared.",
			f.narrowSQL, policy.Captured)
	},
}
