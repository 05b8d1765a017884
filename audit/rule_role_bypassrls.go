package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleBypassRLS = Rule{
	ID: "role-bypassrls", Severity: Critical, Holes: []string{"C05"},
	Title: "The application role has BYPASSRLS",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, app := range f.apps {
			if r := f.look.Role(app); r.BypassRLS && !r.Super {
				out = append(out, onRole(app,
					"The application can read and change every tenant's rows.",
					"BYPASSRLS bypasses every policy, even on tables with FORCE ROW LEVEL SECURITY.").
					with("ALTER ROLE "+sqltext.Ident(app)+" NOBYPASSRLS"))
			}
		}
		return out
	},
}
