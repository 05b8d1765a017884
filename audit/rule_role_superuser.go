package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleSuperuser = Rule{
	ID: "role-superuser", Severity: Critical, Holes: []string{"C04"},
	Title: "The application role is a superuser",
	check: each(apps, func(f *facts, app string, report reporter) {
		if f.look.Role(app).Super {
			report(onRole(app,
				"The application can read and change every tenant's rows.",
				"No policy binds a superuser, not even with FORCE ROW LEVEL SECURITY.").
				with("ALTER ROLE " + sqltext.Ident(app) + " NOSUPERUSER"))
		}
	}),
}
