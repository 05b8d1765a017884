package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSDisabled = Rule{
	ID: "rls-disabled", Severity: Critical, Holes: []string{"C01", "C14", "C23"}, Peer: "rls_disabled_in_public",
	Title: "A tenant table has no row-level security",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		if f.unprotected(r) && f.exposed(r) {
			report(f.rlsDisabled(r))
		}
	}),
}

// unprotected reports whether a table has neither row-level security nor a policy that
// waits for it, nor a relative that has.
func (f *facts) unprotected(r *catalog.Relation) bool {
	return !r.RLS && len(r.Policies) == 0 && !f.protectedRelative(r)
}

// protectedRelative reports whether a parent or a child of r has row-level security: then
// rls-partition or rls-parent reports it.
func (f *facts) protectedRelative(r *catalog.Relation) bool {
	for _, p := range r.ParentNames {
		if parent := f.look.Relation(p); parent != nil && parent.RLS {
			return true
		}
	}
	return slices.ContainsFunc(f.look.Children(r), func(child *catalog.Relation) bool {
		return child.RLS && child.IsTable()
	})
}

func (f *facts) rlsDisabled(r *catalog.Relation) Finding {
	x := onRelation(r,
		"Every tenant can read every other tenant's rows, and change them where it has the privilege.",
		fmt.Sprintf("The table has the tenant column %s, but no policy applies to it.", f.tenantColumn(r.QName())))
	if f.look.Class(r.QName()) == catalog.TenantsTable {
		x.Severity = High
		x.Message = "Every tenant can read the list of all tenants, and change it where it has the privilege."
		x.Why = "The tenants table is a tenant table too: its key says whose row it is."
	}
	// Policies first: enabling alone would leave an empty table.
	return x.with(f.isolateSQL(r)...).with(enableSQL(r)...)
}
