package audit

var ruleCVE202339418 = Rule{
	ID: "cve-2023-39418", Severity: Critical, Holes: []string{"K01"},
	Title: "In this PostgreSQL release, MERGE does not apply policies to the rows it updates",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{15: 4}, "CVE-2023-39418",
			"A tenant can update or delete other tenants' rows with MERGE.",
			"MERGE does not enforce the UPDATE and SELECT policies of its target.")
	},
}
