package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleKeyTenantPartitions = Rule{
	ID: "key-tenant-partitions", Severity: Medium, Holes: []string{"O14"},
	Title: "One partition per tenant publishes the list of tenants",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		if r.Kind != catalog.PartitionedTable || r.PartitionKey.Strategy != "list" ||
			!slices.Contains(r.PartitionKey.Columns, own) {
			return
		}
		if f.hasDefault(r) {
			report(onRelation(r,
				"Every tenant can read the ids of the tenants with partitions of their own, and how much data these store, in "+
					"the system catalog.",
				fmt.Sprintf("The table is partitioned by list on %s, and everyone can read partition bounds and sizes. All other "+
					"tenants share one partition.", own)).at(Low).
				decide("Accept the finding if these tenants may be known."))
			return
		}
		report(onRelation(r,
			"Every tenant can read every tenant's id, and how much data it stores, in the system catalog.",
			fmt.Sprintf("The table is partitioned by list on %s, and everyone can read partition bounds and sizes.", own)).
			decide("Partition by HASH (%s) if the list of tenants is confidential. Otherwise accept the finding.", own))
	}),
}

// hasDefault reports whether tenants without a partition of their own share one.
func (f *facts) hasDefault(r *catalog.Relation) bool {
	return slices.ContainsFunc(f.look.Children(r), func(c *catalog.Relation) bool { return c.Bound == "DEFAULT" })
}
