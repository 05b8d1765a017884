package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleOwnsTable = Rule{
	ID: "role-owns-table", Severity: Critical, Holes: []string{"C03", "C09"},
	Title: "The application role owns a tenant table",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, app := range f.apps {
			if r.Owner == app && !f.look.Role(app).Super {
				report(f.ownsTable(r, app))
			}
		}
	}),
}

func (f *facts) ownsTable(r *catalog.Relation, app string) Finding {
	owner, create := f.newOwner(r.Schema)
	return onRelation(r,
		fmt.Sprintf("%s can turn off row-level security, read every tenant's rows and roll back without leaving a trace.",
			app),
		"The owner can run ALTER TABLE, even where FORCE ROW LEVEL SECURITY binds its queries.").
		with(create...).
		with(fmt.Sprintf("ALTER TABLE %s OWNER TO %s", r.QName().SQL(), sqltext.Ident(owner)),
			fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", r.QName().SQL(), sqltext.Ident(app)))
}
