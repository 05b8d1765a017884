package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSTriggerTarget = Rule{
	ID: "rls-trigger-target", Severity: Critical, Holes: []string{"V11"},
	Title: "A table that triggers fill with tenant rows has no row-level security",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if !r.IsTable() || r.RLS || f.holdsTenants(r.QName()) || f.look.Class(r.QName()) == catalog.IgnoredTable ||
			!f.appTouches(r, "SELECT") {
			return
		}
		source, fn := f.filledFrom(r)
		if source == nil {
			return
		}
		names := []string{"SELECT", "UPDATE", "DELETE"}
		if fn.Definer {
			names = append(names, "INSERT")
		}
		report(onRelation(r,
			"Every tenant can read what the trigger copies here from other tenants' rows.",
			fmt.Sprintf("A trigger on %s writes to this table through %s, and no policy protects the copy. The SQL takes "+
				"reading from the application: give the table the tenant and a policy where it must read.",
				source.QName(), fn.Signature())).
			with(f.revokeSQL(r, names...)...))
	}),
}

// filledFrom returns a protected table with a trigger that writes to r, as far as the
// text of trigger functions shows it.
func (f *facts) filledFrom(r *catalog.Relation) (*catalog.Relation, *catalog.Function) {
	for source := range catalog.Each(f.s.Relations) {
		if !source.IsTable() || !source.RLS && !f.holdsTenants(source.QName()) {
			continue
		}
		for _, t := range source.Triggers {
			for _, fn := range f.look.Functions(t.Function) {
				if _, writes := f.body(fn).Of(r.QName()); writes {
					return source, fn
				}
			}
		}
	}
	return nil, nil
}
