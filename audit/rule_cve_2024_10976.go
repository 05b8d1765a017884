package audit

var ruleCVE202410976 = Rule{
	ID: "cve-2024-10976", Severity: High, Holes: []string{"K02"},
	Title: "This release keeps the policies of an earlier role in cached plans",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{17: 1, 16: 5, 15: 9, 14: 14, 13: 17}, "CVE-2024-10976",
			"A plan cached under one role goes on with that role's policies after the role has changed.",
			"Tables below sub-queries, CTEs and security invoker views are not tracked as depending on the role.")
	},
}
