package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var ruleRLSNotForced = Rule{
	ID: "rls-not-forced", Severity: Low, Holes: []string{"C03", "C07"},
	Title: "Row-level security does not bind the table's owner",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		if !r.RLS || r.ForceRLS {
			return
		}
		x := onRelation(r,
			"The owner's views and functions, and jobs that run as the owner, see every tenant's rows.",
			fmt.Sprintf("Without FORCE ROW LEVEL SECURITY, the owner, %s, bypasses the policies.", r.Owner)).
			with(policy.Force(r.QName()))
		if fn := f.ownersFunction(r); fn != nil {
			// FORCE would leave it an empty table.
			x.Fix = nil
			x = x.decide("%s reads the table as its owner. Give the function to a NOLOGIN role that has BYPASSRLS and "+
				"SELECT on this table, then run %s.", fn.Signature(), policy.Force(r.QName()))
		}
		for _, app := range f.apps {
			if f.has(app, r.Owner) {
				x.Severity, x.Fix, x.Decision = Critical, []string{policy.Force(r.QName())}, ""
				x.Message = fmt.Sprintf("%s can read and change every tenant's rows.", app)
				x.Why = fmt.Sprintf("%s has the rights of the owner, %s, and the policies do not bind the owner.", app, r.Owner)
			}
		}
		report(x)
	}),
}

// ownersFunction returns a SECURITY DEFINER function of the table's owner that reads
// it on purpose: to ask, past the policies, who the caller is.
func (f *facts) ownersFunction(r *catalog.Relation) *catalog.Function {
	for _, fn := range f.userFunctions {
		if !fn.Definer || fn.Owner != r.Owner {
			continue
		}
		if b := f.body(fn); f.readsCaller(b) {
			if reads, _ := b.Of(r.QName()); reads {
				return fn
			}
		}
	}
	return nil
}
