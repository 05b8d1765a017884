package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleKeyIndex = Rule{
	ID: "key-index", Severity: Low, Holes: []string{"O18"},
	Title: "An index that does not start with the tenant column counts other tenants' rows",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		if !r.RLS || r.Partition {
			return
		}
		for x := range catalog.Each(r.Indexes) {
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
				report(found.decide("Put %s first in the index.", own))
				continue
			}
			report(found.with(f.leadIndexSQL(r, x, own)...))
		}
	}),
}
