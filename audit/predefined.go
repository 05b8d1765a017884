package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// predefined reports each application role that is a member of one of PostgreSQL's
// predefined roles.
func (f *facts) predefined(names []string, message, why string) []Finding {
	var out []Finding
	for _, app := range f.apps {
		if f.look.Role(app).Super {
			continue
		}
		for _, role := range f.actsAs(app)[1:] {
			if !slices.Contains(names, role) {
				continue
			}
			x := onRole(app, message, fmt.Sprintf("%s is a member of %s. %s", app, role, why))
			for _, m := range f.membershipsTo(app, role, catalog.Use) {
				x = x.with("REVOKE " + sqltext.Ident(m.Role) + " FROM " + sqltext.Ident(app))
			}
			out = append(out, x)
		}
	}
	return out
}
