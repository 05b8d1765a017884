package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleReachesBypass = Rule{
	ID: "role-reaches-bypass", Severity: Critical, Holes: []string{"C06"},
	Title: "The application role can become a role that bypasses row-level security",
	check: each(apps, func(f *facts, app string, report reporter) {
		if f.look.Role(app).Super {
			return
		}
		for _, role := range f.look.RolesOf(app, catalog.Set)[1:] {
			if f.bypasses(role) {
				report(f.reachesBypass(app, role))
			}
		}
	}),
}

func (f *facts) reachesBypass(app, role string) Finding {
	x := onRole(app,
		fmt.Sprintf("One injected SET ROLE %s exposes every tenant's rows.", role),
		fmt.Sprintf("%s is a member of %s, which bypasses row-level security. The attribute is not inherited, but SET "+
			"ROLE acquires it, even with NOINHERIT.", app, role))
	if f.look.SwitchOnly(app, f.tenantTables) {
		// PostgREST's authenticator: it must be able to become every role it serves.
		return x.at(Low).decide("%s has no privileges of its own and only switches to other roles. If %s is one of them "+
			"on purpose, let no request choose it without a verified token. Otherwise revoke it.", app, role)
	}
	for _, m := range f.membershipsTo(app, role, catalog.Set) {
		x = x.with("REVOKE " + sqltext.Ident(m.Role) + " FROM " + sqltext.Ident(app))
	}
	return x
}
