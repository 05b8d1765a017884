package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleCitusTenantColumn = Rule{
	ID: "citus-tenant-column", Severity: Medium, Kind: Slow, Holes: []string{"D04"},
	Title: "A table is distributed by another column than the tenant's",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		d := f.look.Distributed(r.QName())
		own := f.tenantColumn(r.QName())
		if d == nil || d.Kind != catalog.Sharded || d.Column == "" || d.Column == own {
			return
		}
		report(onRelation(r,
			"Each statement of a tenant asks all shards, and no tenant can be moved to a shard of its own.",
			fmt.Sprintf("The table is distributed by %s; its tenant column is %s.", d.Column, own)).
			decide("Distribute it by %s: SELECT alter_distributed_table('%s', distribution_column => '%s'), as a superuser "+
				"or a role with BYPASSRLS.", own, r.QName().SQL(), own))
	}),
}
