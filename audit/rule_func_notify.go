package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleFuncNotify = Rule{
	ID: "func-notify", Severity: High, Holes: []string{"V23"},
	Title: "A trigger sends tenants' values to every session that listens",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, t := range r.Triggers {
			for _, fn := range f.look.Functions(t.Function) {
				if t.Enabled != "disabled" && f.notifies(fn, nil) {
					report(f.notifier(fn, r))
				}
			}
		}
	}),
}

func (f *facts) notifier(fn *catalog.Function, r *catalog.Relation) Finding {
	return onFunction(fn,
		fmt.Sprintf("Whoever writes to %s has the values sent to all who LISTEN, of any tenant.", r.QName()),
		"Notifications know no row-level security and no privilege: every session of the database may listen on every "+
			"channel, and a channel's name is no secret.").
		decide("Send nothing but that something happened (no payload, or TG_OP and TG_TABLE_NAME), on a channel that is " +
			"named by a constant. Let listeners read the rows themselves, each as its tenant.")
}

// notifies reports whether a function, or one that it calls, sends values.
func (f *facts) notifies(fn *catalog.Function, above []*catalog.Function) bool {
	b := f.body(fn)
	if b.Notifies() {
		return true
	}
	above = append(above, fn)
	return slices.ContainsFunc(f.userFunctions, func(called *catalog.Function) bool {
		return !slices.Contains(above, called) && b.Mentions(called.Name) && f.notifies(called, above)
	})
}
