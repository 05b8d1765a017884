package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleViewNoBarrier = Rule{
	ID: "view-no-barrier", Severity: Critical, Holes: []string{"V13"},
	Title: "A view that filters by tenant is not a security barrier",
	check: each(relations, func(f *facts, v *catalog.Relation, report reporter) {
		if v.SecurityBarrier || !f.isolatingView(v) {
			return
		}
		report(onRelation(v,
			"A function in a query's WHERE clause sees other tenants' rows, and can print their values in an error.",
			"Without security_barrier, the planner may evaluate the caller's conditions before the view's own.").
			with(fmt.Sprintf("ALTER VIEW %s SET (security_barrier = true)", v.QName().SQL())))
	}),
}

// isolatingView reports whether a view's own WHERE is what keeps tenants apart: it reads
// rows that no policy restrains for it, and filters them by the caller's tenant.
func (f *facts) isolatingView(v *catalog.Relation) bool {
	if v.Kind != catalog.View || !f.filters(v) || !f.viewExposed(v) {
		return false
	}
	for _, d := range f.look.Reads(v.QName()) {
		if d.Rule != "_RETURN" {
			continue
		}
		t := f.look.Relation(d.On)
		if t == nil {
			continue
		}
		if t.Kind == catalog.MaterializedView || t.Kind == catalog.ForeignTable {
			return true
		}
		unbound := f.bypassesPolicies(v.Owner, t)
		if v.SecurityInvoker {
			unbound = !t.RLS
		}
		if t.IsTable() && (f.holdsTenants(d.On) || t.RLS) && unbound {
			return true
		}
	}
	return false
}
