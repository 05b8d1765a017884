package audit

import "fmt"

var ruleKeyCrossingRows = Rule{
	ID: "key-crossing-rows", Severity: Critical, Holes: []string{"O04"},
	Title: "Rows of one tenant refer to rows of another",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, c := range f.o.Evidence.Crossing {
			r := f.look.Relation(c.Table)
			if r == nil || c.Rows == 0 {
				continue
			}
			out = append(out, onPart(r, c.Constraint,
				fmt.Sprintf("%s to another tenant's rows of %s: joins, cascades and exports carry data across.", plural64(c.Rows, "row refers", "rows refer"), c.References),
				"The foreign key never compared the tenants.").
				decide("Look at each row and decide whose it is. The key cannot carry the tenant before none is left:\n    %s", c.Query))
		}
		return out
	},
}

func plural64(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
