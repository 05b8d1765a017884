package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleGrantPublic = Rule{
	ID: "grant-public", Severity: Medium, Holes: []string{"C22"},
	Title: "Every role in the cluster can reach tenant rows",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if r.Extension != "" || r.Kind == catalog.Sequence || !f.showsTenants(r) {
			return
		}
		if fix := publicRevokes(r); len(fix) > 0 {
			report(onRelation(r,
				"Every role that can log in, for whatever program, can reach the rows.",
				"A privilege of PUBLIC belongs to every role, and a policy without TO applies to every role too.").with(fix...))
		}
	}),
}

// showsTenants reports whether a relation holds or reads a tenant's rows.
func (f *facts) showsTenants(r *catalog.Relation) bool {
	if r.RLS || f.holdsTenants(r.QName()) {
		return true
	}
	return slices.ContainsFunc(f.look.Beneath(r.QName()), f.holdsTenants)
}

func publicRevokes(r *catalog.Relation) []string {
	for p := range r.Grants() {
		if p.Grantee == "" {
			return []string{fmt.Sprintf("REVOKE ALL ON %s FROM PUBLIC CASCADE", r.QName().SQL())}
		}
	}
	return nil
}
