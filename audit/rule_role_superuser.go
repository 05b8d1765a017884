package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleSuperuser = Rule{
	ID: "role-superuser", Severity: Critical, Holes: []string{"C04"},
	Title: "The application role is a superuser",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, app := range f.apps {
			if f.look.Role(app).Super {
				out = append(out, onRole(app,
					"Every statement of the application reads and changes the rows of every tenant.",
					"No policy binds a superuser, FORCE ROW LEVEL SECURITY neither.").
					with("ALTER ROLE "+sqltext.Ident(app)+" NOSUPERUSER"))
			}
		}
		return out
	},
}
