package audit

var ruleCVE20232455 = Rule{
	ID: "cve-2023-2455", Severity: High, Holes: []string{"K03"},
	Title: "This release keeps the policies of an earlier role in inlined functions",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{15: 3, 14: 8, 13: 11}, "CVE-2023-2455",
			"A plan with an inlined SQL function goes on with the policies of the role that it was planned under.",
			"Policies in inlined functions are not tracked as depending on the role.")
	},
}
