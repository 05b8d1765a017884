package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleCreateRole = Rule{
	ID: "role-createrole", Severity: Critical, Holes: []string{"C15"},
	Title: "The application role has CREATEROLE",
	check: each(apps, func(f *facts, app string, report reporter) {
		if r := f.look.Role(app); !r.CreateRole || r.Super {
			return
		}
		x := onRole(app,
			fmt.Sprintf("%s can grant itself the role that owns the tables, or one with BYPASSRLS, "+
				"and read every tenant's rows.", app),
			"Before PostgreSQL 16, CREATEROLE can grant any role that is not a superuser.").
			with("ALTER ROLE " + sqltext.Ident(app) + " NOCREATEROLE")
		if f.s.Version >= 160000 {
			x = x.at(Low)
			x.Message = fmt.Sprintf("%s can create roles and log in as them, which evades connection limits and logging "+
				"by role.", app)
			x.Why = "Since PostgreSQL 16, CREATEROLE can grant only roles on which it holds ADMIN OPTION. An application " +
				"needs none of it."
		}
		report(x)
	}),
}
