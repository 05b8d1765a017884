package audit

import "github.com/moat-db/moat/policy"

var rulePolicyCaptured = Rule{
	ID: "policy-column-capture", Severity: Critical, Holes: []string{"P14"},
	Title: "A policy's sub-query never looks at the row's tenant",
	Check: func(f *facts) []Finding {
		return f.policyFindings(
			"Every tenant that the sub-query finds anything for sees every row.",
			"A column name in the sub-query means the inner table's column, so the row itself is not compared.",
			f.narrowSQL, policy.Captured)
	},
}
