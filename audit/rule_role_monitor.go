package audit

var ruleRoleMonitor = Rule{
	ID: "role-monitor", Severity: Medium, Holes: []string{"C25"},
	Title: "The application role sees every session's statements",
	Check: func(f *facts) []Finding {
		return f.predefined([]string{"pg_monitor", "pg_read_all_stats", "pg_signal_backend", "pg_stat_scan_tables"},
			"The text of every statement of every role, values included, is readable, or its session can be ended.",
			"Monitoring belongs to a role of its own.")
	},
}
