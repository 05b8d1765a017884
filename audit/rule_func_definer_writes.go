package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

var ruleFuncDefinerWrites = Rule{
	ID: "func-definer-writes", Severity: High, Holes: []string{"O17"},
	Title: "A SECURITY DEFINER function's errors reveal other tenants' values",
	check: each((*facts).definers, func(f *facts, fn *catalog.Function, report reporter) {
		b := f.body(fn)
		t := f.bypassedTable(fn, func(t *catalog.Relation) bool {
			_, writes := b.Of(t.QName())
			return writes && f.crossingKey(t, b) != ""
		})
		if t == nil {
			return
		}
		x := onFunction(fn,
			"If a write conflicts, the error prints the key values of another tenant's row.",
			fmt.Sprintf("The function writes to %s as %s, which the policies do not bind, and %s compares rows of all tenants.",
				t.QName(), fn.Owner, f.crossingKey(t, b)))
		switch {
		case f.bypasses(fn.Owner):
			x = x.with(invokerSQL(fn))
		default:
			if len(t.Policies) == 0 && f.tenantColumn(t.QName()) != "" {
				x = x.with(f.isolateSQL(t)...)
			}
			x = x.with(enableSQL(t)...)
		}
		report(x)
	}),
}

// crossingKey returns the name of a unique or exclusion constraint of t that compares
// rows of different tenants and that a body's writes can meet, "" when there is none.
func (f *facts) crossingKey(t *catalog.Relation, b *body.Uses) string {
	col := f.tenantColumn(t.QName())
	set, adds := b.Sets(t.QName())
	for _, c := range t.Constraints {
		met := adds || slices.ContainsFunc(c.Columns, func(name string) bool { return slices.Contains(set, name) })
		if (c.Type == catalog.Exclude || c.Type == catalog.Unique) && met && !slices.Contains(c.Columns, col) {
			return c.Name
		}
	}
	return ""
}
