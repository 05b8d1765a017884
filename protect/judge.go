package protect

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// isolatingPolicy returns the name of a restrictive policy that isolates every
// command for every role, empty when there is none. What isolates is decided by the
// expression's tree, never by its text.
func (p *planner) isolatingPolicy(t *table) string {
	for _, pol := range t.rel.Policies {
		forAll := !pol.Permissive && pol.Command == "ALL" && slices.Contains(pol.Roles, "")
		if p.lookup.Citus() {
			forAll = pol.Permissive && pol.Command == "ALL"
		}
		if forAll && p.isolates(t, pol.Using) && (pol.Check == nil || p.isolates(t, pol.Check)) {
			return pol.Name
		}
	}
	return ""
}

func (p *planner) isolates(t *table, e *catalog.Expr) bool {
	return e != nil && p.lookup.Judge(e, t.rel).Isolates
}
