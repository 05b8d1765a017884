package audit

var ruleGrantReferences = Rule{
	ID: "grant-references", Severity: Medium, Holes: []string{"P27"},
	Title: "The application role may create foreign keys to a tenant table",
	Check: func(f *facts) []Finding {
		return f.tenantGrant("REFERENCES",
			"A table of the attacker's own with a foreign key here tells which keys exist, and blocks their deletion.",
			"Foreign key checks pass by policies. GRANT ALL is the usual source.")
	},
}
