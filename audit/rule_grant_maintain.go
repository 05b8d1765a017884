package audit

var ruleGrantMaintain = Rule{
	ID: "grant-maintain", Severity: Medium, Holes: []string{"P28"},
	Title: "The application role may lock, reindex and rewrite a tenant table",
	Check: func(f *facts) []Finding {
		return f.tenantGrant("MAINTAIN",
			"LOCK TABLE or VACUUM FULL in one tenant's session stops every other tenant.",
			"MAINTAIN (PostgreSQL 17 and later) is a privilege on the whole table, not on rows.")
	},
}
