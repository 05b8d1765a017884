package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleMemberOfOwner = Rule{
	ID: "role-member-of-owner", Severity: Critical, Holes: []string{"C07", "C08", "C09"},
	Title: "The application role is a member of the role that owns tenant tables",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, app := range f.apps {
			if r.Owner == app || f.look.Role(app).Super || !f.owns(app, r.Owner) {
				continue
			}
			x := onRelation(r,
				fmt.Sprintf("%s has the owner's rights: it can turn off row-level security and read every tenant's rows.", app),
				fmt.Sprintf("%s is a member of the owner, %s. It inherits the owner's rights; with NOINHERIT, it can still use "+
					"SET ROLE.", app, r.Owner))
			for _, m := range f.membershipsTo(app, r.Owner, catalog.Use) {
				x = x.with("REVOKE " + sqltext.Ident(m.Role) + " FROM " + sqltext.Ident(app))
			}
			report(x)
		}
	}),
}
