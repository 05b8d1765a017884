package audit

var ruleCVE20232455 = Rule{
	ID: "cve-2023-2455", Severity: High, Holes: []string{"K03"},
	Title: "This PostgreSQL release keeps an earlier role's policies in inlined functions",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{15: 3, 14: 8, 13: 11}, "CVE-2023-2455",
			"A plan that contains an inlined SQL function keeps the policies of the role it was planned for.",
			"PostgreSQL does not track that policies in inlined functions depend on the role.")
	},
}
