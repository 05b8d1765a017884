package audit

var ruleCVE20244317 = Rule{
	ID: "cve-2024-4317", Severity: High, Holes: []string{"K05"},
	Title: "This PostgreSQL release shows extended statistics to every role",
	Check: func(f *facts) []Finding {
		return f.outdated(fixedIn{16: 3, 15: 7, 14: 12}, "CVE-2024-4317",
			"Every role can read the most common values of other tenants' columns in pg_stats_ext and pg_stats_ext_exprs.",
			"The views do not check who reads them. A cluster that an older release created keeps the old views after the "+
				"update: run the script that the release notes name.")
	},
}
