package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// SwitchOnly reports whether a role is only a door to others: it inherits nothing and has no
// privilege on any of the tables itself, like PostgREST's authenticator.
func (v *View) SwitchOnly(role string, tables []*catalog.Relation) bool {
	if len(v.RolesOf(role, catalog.Usage)) > 1 {
		return false
	}
	return !slices.ContainsFunc(tables, func(r *catalog.Relation) bool {
		for p := range r.Grants() {
			if p.Grantee == role {
				return true
			}
		}
		return r.Owner == role
	})
}
