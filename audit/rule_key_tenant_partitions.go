package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleKeyTenantPartitions = Rule{
	ID: "key-tenant-partitions", Severity: Medium, Holes: []string{"O14"},
	Title: "A partition per tenant publishes the list of tenants",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, r := range f.keyedRelations() {
			own := f.tenantColumn(r.QName())
			if r.Kind != catalog.PartitionedTable || r.PartitionKey.Strategy != "list" || !slices.Contains(r.PartitionKey.Columns, own) {
				continue
			}
			out = append(out, onRelation(r,
				"Every tenant reads every tenant's id, and how much it stores, in the system catalog.",
				fmt.Sprintf("It is partitioned by a list of %s, and partition bounds and sizes are readable by everyone.", own)).
				decide("Partition by HASH (%s) if the list of tenants is nobody's business, or accept the finding.", own))
		}
		return out
	},
}
