package audit

var ruleCVE202410976 = Rule{
	ID: "cve-2024-10976", Severity: High, Holes: []string{"K02"},
	Title: "This PostgreSQL release keeps an earlier role's policies in cached plans",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{17: 1, 16: 5, 15: 9, 14: 14, 13: 17}, "CVE-2024-10976",
			"A plan cached for one role keeps that role's policies after the role changes.",
			"PostgreSQL does not track that tables below subqueries, CTEs and security invoker views depend on the role.")
	},
}
