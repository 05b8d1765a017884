package audit

var ruleGrantReferences = Rule{
	ID: "grant-references", Severity: Medium, Holes: []string{"P27"},
	Title: "The application role can create foreign keys to a tenant table",
	check: func(f *facts) []Finding {
		return f.tenantGrant("REFERENCES",
			"An attacker's own table with a foreign key to this one reveals which keys exist, and blocks their deletion.",
			"Foreign key checks bypass policies. GRANT ALL is the usual source of this privilege.")
	},
}
