package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/migrations/tools"
)

var ruleRLSIgnored = Rule{
	ID: "rls-ignored", Severity: Low,
	Title: "moat.yaml ignores a table that the application can reach",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if !ignoredByChoice(f, r) {
			return
		}
		open := f.openCommands(r)
		if through := f.reachedThrough(r); len(open) == 0 && through != "" {
			open = []string{"SELECT through " + through}
		}
		if len(open) > 0 {
			report(onRelation(r,
				fmt.Sprintf("If the rows belong to tenants, every tenant can run %s on all of them.", strings.Join(open, ", ")),
				"The table is listed under tables.ignore, so neither audit nor prove looks at it.").
				decide("Revoke the application's privileges, list the table under tables.shared if its rows are the " +
					"same for every tenant, or keep it ignored because you know whose rows it holds."))
		}
	}),
}

// reachedThrough names a view or a function that shows a table with its owner's rights, and
// that an application role may use; "" where there is none.
func (f *facts) reachedThrough(r *catalog.Relation) string {
	if view := f.shownBy(r); view != nil {
		return view.QName().String()
	}
	for _, fn := range f.definers() {
		if fn.Result == "trigger" || fn.Result == "void" || !f.bypassesPolicies(fn.Owner, r) {
			continue
		}
		if reads, _ := f.body(fn).Of(r.QName()); reads {
			return fn.Signature()
		}
	}
	return ""
}

// ignoredByChoice leaves out what is ignored by its nature: moat's tables, an extension's
// and those of migration tools.
func ignoredByChoice(f *facts, r *catalog.Relation) bool {
	return r.IsTable() && !r.Partition && f.look.Class(r.QName()) == catalog.IgnoredTable && r.Schema != "moat" &&
		r.Extension == "" && !tools.IsState(r.Name, r.ColumnNames())
}
