package audit

var ruleCVE202339418 = Rule{
	ID: "cve-2023-39418", Severity: Critical, Holes: []string{"K01"},
	Title: "This release's MERGE does not apply policies to rows it updates",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{15: 4}, "CVE-2023-39418",
			"A tenant updates or deletes other tenants' rows with MERGE.",
			"MERGE does not enforce the UPDATE and SELECT policies of its target.")
	},
}
