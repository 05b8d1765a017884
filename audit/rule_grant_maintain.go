package audit

var ruleGrantMaintain = Rule{
	ID: "grant-maintain", Severity: Medium, Holes: []string{"P28"},
	Title: "The application role can lock, reindex and rewrite a tenant table",
	check: func(f *facts) []Finding {
		return f.tenantGrant("MAINTAIN",
			"LOCK TABLE or VACUUM FULL in one tenant's session blocks every other tenant.",
			"MAINTAIN (PostgreSQL 17 and later) applies to the whole table, not to rows.")
	},
}
