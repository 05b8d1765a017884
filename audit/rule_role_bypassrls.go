package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleBypassRLS = Rule{
	ID: "role-bypassrls", Severity: Critical, Holes: []string{"C05"},
	Title: "The application role has BYPASSRLS",
	check: each(apps, func(f *facts, app string, report reporter) {
		if r := f.look.Role(app); r.BypassRLS && !r.Super {
			report(onRole(app,
				"The application can read and change every tenant's rows.",
				"BYPASSRLS bypasses every policy, even on tables with FORCE ROW LEVEL SECURITY.").
				with("ALTER ROLE " + sqltext.Ident(app) + " NOBYPASSRLS"))
		}
	}),
}
