package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyTells = Rule{
	ID: "policy-tells", Severity: High, Holes: []string{"P42"},
	Title: "A policy's function says what is in the rows that it refuses",
	check: each(allHelpers, func(f *facts, h helper, report reporter) {
		if f.holdsTenants(h.table.QName()) && f.saysRows(h.fn) {
			report(onFunction(h.fn,
				fmt.Sprintf("A tenant reads values of other tenants' rows of %s in notices and errors.", h.table.QName()),
				"Policies are asked about every row, and RAISE sends what the function says of one to whoever is asking, "+
					"before the row is refused.").
				decide("Return false for a row that is not the caller's, or raise a message without values. The server's " +
					"log is no better place for them."))
		}
	}),
}

// saysRows reports whether a function raises what it is given of a row, or what it may have
// read with its owner's rights.
func (f *facts) saysRows(fn *catalog.Function) bool {
	b := f.body(fn)
	read := fn.Definer && f.bypassedTable(fn, func(t *catalog.Relation) bool {
		reads, _ := b.Of(t.QName())
		return reads
	}) != nil
	return slices.ContainsFunc(b.Raised(), func(name string) bool {
		return read || strings.HasPrefix(name, "$") ||
			slices.ContainsFunc(fn.Params, func(p catalog.Param) bool { return strings.EqualFold(p.Name, name) })
	})
}
