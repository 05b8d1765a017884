package audit

var ruleGrantTruncate = Rule{
	ID: "grant-truncate", Severity: High, Holes: []string{"P25"},
	Title: "The application role can TRUNCATE a tenant table",
	check: func(f *facts) []Finding {
		return f.tenantGrant("TRUNCATE",
			"One TRUNCATE by any tenant removes the rows of all tenants.",
			"TRUNCATE is not subject to policies. GRANT ALL is the usual source of this privilege.")
	},
}
