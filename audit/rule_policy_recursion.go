package audit

import (
	"github.com/moat-db/moat/catalog"
)

var rulePolicyRecursion = Rule{
	ID: "policy-recursion", Severity: High, Kind: Outage, Holes: []string{"P30"},
	Title: "A policy reads its own table",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			r := &f.s.Relations[i]
			for _, p := range f.policies[r.QName()] {
				if !r.RLS || !f.leadsBackTo(r.QName(), p.reads()) {
					continue
				}
				x := onPart(r, p.Name,
					"Every query of the table fails with the error \"infinite recursion detected in policy\".",
					"To decide about a row, the policy reads a table whose policy leads back to this one.")
				out = append(out, x.decide("Compare a column of %s itself: the user's with the caller, or the tenant's "+
					"with the current tenant. Or read the table in a SECURITY DEFINER function whose owner its "+
					"policies do not bind.", r.QName()))
			}
		}
		return out
	},
}

// leadsBackTo reports whether the policies of these tables lead to start.
func (f *facts) leadsBackTo(start catalog.QName, tables []catalog.QName) bool {
	seen := map[catalog.QName]bool{}
	for len(tables) > 0 {
		name := tables[0]
		tables = tables[1:]
		if name == start {
			return true
		}
		r := f.look.Relation(name)
		if seen[name] || r == nil || !r.RLS {
			continue
		}
		seen[name] = true
		for _, p := range f.policies[name] {
			if p.covers("SELECT") {
				tables = append(tables, p.reads()...)
			}
		}
	}
	return false
}
