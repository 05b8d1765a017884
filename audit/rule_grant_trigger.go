package audit

var ruleGrantTrigger = Rule{
	ID: "grant-trigger", Severity: Critical, Holes: []string{"P26"},
	Title: "The application role can create triggers on a tenant table",
	check: func(f *facts) []Finding {
		return f.tenantGrant("TRIGGER",
			"A trigger on the table runs with the rights of whoever writes next: an operator, a job, a superuser.",
			"A trigger function runs as the role whose statement fires it. GRANT ALL is the usual source of this privilege.")
	},
}
