package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleGrantPublic = Rule{
	ID: "grant-public", Severity: Medium, Holes: []string{"C22"},
	Title: "Every role of the cluster may reach a tenant's rows",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			r := &f.s.Relations[i]
			if r.Extension != "" || r.Kind == catalog.Sequence || !f.showsTenants(r) {
				continue
			}
			if fix := publicRevokes(r); len(fix) > 0 {
				out = append(out, onRelation(r,
					"Every role that can log in, of whatever program, reaches the table's rows.",
					"A privilege of PUBLIC is everyone's, and a policy without TO is for everyone too.").with(fix...))
			}
		}
		return out
	},
}

// showsTenants says whether a relation holds or reads a tenant's rows.
func (f *facts) showsTenants(r *catalog.Relation) bool {
	if r.RLS || f.holdsTenants(r.QName()) {
		return true
	}
	return slices.ContainsFunc(f.reads(r.QName()), f.holdsTenants)
}

func publicRevokes(r *catalog.Relation) []string {
	for p := range r.Grants() {
		if p.Grantee == "" {
			return []string{fmt.Sprintf("REVOKE ALL ON %s FROM PUBLIC CASCADE", r.QName().SQL())}
		}
	}
	return nil
}
