package audit

var ruleCVE20258713 = Rule{
	ID: "cve-2025-8713", Severity: High, Holes: []string{"K04"},
	Title: "This PostgreSQL release passes sampled values of hidden rows to operators",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{17: 6, 16: 10, 15: 14, 14: 19, 13: 22}, "CVE-2025-8713",
			"An attacker's own operator receives sampled values of rows that the policy hides.",
			"The planner reads the statistics of partitions, children and views without checking policies.")
	},
}
