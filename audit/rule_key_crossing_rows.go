package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/english"
)

var ruleKeyCrossingRows = Rule{
	ID: "key-crossing-rows", Severity: Critical, Holes: []string{"O04"},
	Title: "Rows of one tenant refer to rows of another",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, c := range f.o.Evidence.Crossing {
			r := f.look.Relation(c.Table)
			if r == nil || c.Rows == 0 {
				continue
			}
			out = append(out, onPart(r, c.Constraint,
				fmt.Sprintf("%s to another tenant's rows of %s. Joins, cascades and exports carry data across.",
					english.Count(c.Rows, "row refers", "rows refer"), c.References),
				"The foreign key does not compare the tenants.").
				decide("Look at each row and decide whose it is. The key cannot include the tenant until "+
					"no such row is left:\n    %s", c.Query))
		}
		return out
	},
}
