package audit

var ruleRoleReadsAllData = Rule{
	ID: "role-reads-all-data", Severity: High, Holes: []string{"C19"},
	Title: "The application role reads or writes every relation",
	Check: func(f *facts) []Finding {
		return f.predefined([]string{"pg_read_all_data", "pg_write_all_data"},
			"Every relation without policies is open: materialized views, key tables, audit logs, backups.",
			"It does not pass by policies, but it reaches all that has none.")
	},
}
