package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleRoleOwnsType = Rule{
	ID: "role-owns-type", Severity: High, Holes: []string{"C28"},
	Title: "The application role owns a type of a tenant table's column",
	check: func(f *facts) []Finding {
		var out []Finding
		for t := range catalog.Each(f.s.Types) {
			app := f.ownerApp(t.Owner)
			if r := f.typed(t); app != "" && r != nil {
				owner, create := f.newOwner(t.Schema)
				kind := "TYPE"
				if t.Kind == "domain" {
					kind = "DOMAIN"
				}
				q := catalog.QName{Schema: t.Schema, Name: t.Name}
				x := Finding{Object: q.String(), Group: q.String(), schema: t.Schema,
					Message: fmt.Sprintf("%s can add a check to it, which then sees every value that any tenant writes to %s.", app,
						r.QName()),
					Why: "The owner of a type can change or drop it, and the columns of it."}
				out = append(out, x.with(create...).with(fmt.Sprintf("ALTER %s %s OWNER TO %s", kind, q.SQL(),
					sqltext.Ident(owner))))
			}
		}
		return out
	},
}

// typed returns a tenant table with a column of the type, nil where there is none.
func (f *facts) typed(t *catalog.Type) *catalog.Relation {
	name := catalog.QName{Schema: t.Schema, Name: t.Name}
	i := slices.IndexFunc(f.tenantTables, func(r *catalog.Relation) bool {
		return slices.ContainsFunc(r.Columns, func(c catalog.Column) bool { return c.TypeName == name })
	})
	if i < 0 {
		return nil
	}
	return f.tenantTables[i]
}
