package audit

import (
	"fmt"
	"slices"
)

var ruleKeyIndex = Rule{
	ID: "key-index", Severity: Low, Holes: []string{"O18"},
	Title: "An index that does not start with the tenant column counts other tenants' rows",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, r := range f.keyedTables {
			own := f.tenantColumn(r.QName())
			if !r.RLS || r.Partition {
				continue
			}
			for i := range r.Indexes {
				x := &r.Indexes[i]
				columns := x.Columns()
				if x.Primary || x.Unique || x.Inherited || x.Method != "btree" || columns[0] == own ||
					f.look.FindsOthers(r, x) {
					continue
				}
				found := onPart(r, x.Name,
					"EXPLAIN (ANALYZE, BUFFERS), or timing, reveals how many rows of other tenants hold a value.",
					fmt.Sprintf("PostgreSQL searches the index across all tenants before the policy filters their rows, because "+
						"the index does not start with %s.", own))
				if slices.Contains(columns, own) {
					out = append(out, found.decide("Put %s first in the index.", own))
					continue
				}
				out = append(out, found.with(f.leadIndexSQL(r, x, own)...))
			}
		}
		return out
	},
}
