package audit

var ruleRoleReadsAllData = Rule{
	ID: "role-reads-all-data", Severity: High, Holes: []string{"C19"},
	Title: "The application role can read or write every relation",
	check: func(f *facts) []Finding {
		return f.predefined([]string{"pg_read_all_data", "pg_write_all_data"},
			"Every relation without policies is exposed: materialized views, key tables, audit logs, backups.",
			"That role does not bypass policies, but it reaches every relation that has none.")
	},
}
