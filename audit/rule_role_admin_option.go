package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleAdminOption = Rule{
	ID: "role-admin-option", Severity: Critical, Holes: []string{"C16"},
	Title: "The application role can grant itself a role that bypasses row-level security",
	check: each(apps, func(f *facts, app string, report reporter) {
		for _, m := range f.s.Memberships {
			if m.Admin && slices.Contains(f.actsAs(app), m.Member) && !m.Set && f.dangerous(m.Role) {
				report(onRole(app,
					fmt.Sprintf("GRANT %s TO %s WITH SET TRUE, followed by SET ROLE, exposes every tenant's rows.", m.Role, app),
					fmt.Sprintf("%s holds ADMIN OPTION on %s, so it can grant itself whatever the original grant left out.",
						m.Member, m.Role)).
					with("REVOKE " + sqltext.Ident(m.Role) + " FROM " + sqltext.Ident(m.Member)))
			}
		}
	}),
}

// dangerous reports whether becoming role bypasses the policies of some tenant table.
func (f *facts) dangerous(role string) bool {
	for _, r := range f.look.RolesOf(role, catalog.Gain) {
		if f.bypasses(r) {
			return true
		}
		for _, t := range f.tenantTables {
			if t.Owner == r {
				return true
			}
		}
	}
	return false
}
