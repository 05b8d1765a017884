package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
)

var ruleKeyCrossingRows = Rule{
	ID: "key-crossing-rows", Severity: High, Holes: []string{"O04"},
	Title: "Rows of one tenant refer to rows of another",
	check: each(crossing, func(f *facts, c CrossingRows, report reporter) {
		r := f.look.Relation(c.Table)
		if r == nil || c.Rows == 0 {
			return
		}
		x := onPart(r, c.Constraint,
			fmt.Sprintf("%s to another tenant's rows of %s. Exports, and joins by whoever sees every row, carry data across.",
				english.Count(c.Rows, "row refers", "rows refer"), c.References),
			"The foreign key does not compare the tenants.")
		if carries(r, c.Constraint) {
			x.Severity = Critical
			x.Why += " When the other tenant changes or deletes its row, the key changes or deletes this one."
		}
		report(x.decide("Look at each row and decide whose it is. The key cannot include the tenant until "+
			"no such row is left:\n    %s", c.Query))
	}),
}

// carries reports whether a foreign key hands changes of the row that it refers to on.
func carries(r *catalog.Relation, constraint string) bool {
	return slices.ContainsFunc(r.Constraints, func(c catalog.Constraint) bool {
		acts := func(on string) bool { return on == "cascade" || strings.HasPrefix(on, "set ") }
		return c.Name == constraint && (acts(c.OnDelete) || acts(c.OnUpdate))
	})
}
