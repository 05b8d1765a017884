package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleCreateRole = Rule{
	ID: "role-createrole", Severity: Critical, Holes: []string{"C15"},
	Title: "The application role has CREATEROLE",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, app := range f.apps {
			if r := f.look.Role(app); !r.CreateRole || r.Super {
				continue
			}
			x := onRole(app,
				fmt.Sprintf("%s grants itself the tables' owner, or a role with BYPASSRLS, and reads every tenant's rows.", app),
				"Before PostgreSQL 16 CREATEROLE may grant any role but a superuser.").
				with("ALTER ROLE " + sqltext.Ident(app) + " NOCREATEROLE")
			if f.s.Version >= 160000 {
				x = x.at(Low)
				x.Message = fmt.Sprintf("%s can create roles and log in as them, beside whatever counts connections or logs by role.", app)
				x.Why = "From PostgreSQL 16 on CREATEROLE reaches only roles it has ADMIN OPTION on; an application still needs none."
			}
			out = append(out, x)
		}
		return out
	},
}
