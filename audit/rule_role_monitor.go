package audit

var ruleRoleMonitor = Rule{
	ID: "role-monitor", Severity: Medium, Holes: []string{"C25"},
	Title: "The application role can see every session's statements",
	check: func(f *facts) []Finding {
		return f.predefined([]string{"pg_monitor", "pg_read_all_stats", "pg_signal_backend", "pg_stat_scan_tables"},
			"An attacker can read the statements of every role, values included, or end other sessions.",
			"Give monitoring a role of its own.")
	},
}
