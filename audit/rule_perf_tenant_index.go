package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var rulePerfTenantIndex = Rule{
	ID: "perf-tenant-index", Severity: Low, Kind: Slow, Holes: []string{"F01", "O09"},
	Title: "No index starts with the tenant column",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		if !r.RLS || r.Partition || f.look.Class(r.QName()) == catalog.TenantsTable || hasIndexOn(r, own) {
			return
		}
		if c := r.Column(own); c != nil && c.Generated == "virtual" {
			return // cannot be indexed
		}
		report(onRelation(r,
			"Every query reads the whole table, and EXPLAIN ANALYZE shows how many rows other tenants have.",
			fmt.Sprintf("There is no index for the policy's condition on %s.", own)).
			at(f.cost(r)).
			with(fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)",
				sqltext.Ident(sqltext.Name(r.Name, own, "idx")), r.QName().SQL(), sqltext.Ident(own))))
	}),
}

// hasIndexOn reports whether a complete index starts with a column.
func hasIndexOn(r *catalog.Relation, col string) bool {
	for x := range catalog.Each(r.Indexes) {
		if x.Valid && x.Predicate == "" && len(x.Keys) > 0 && x.Keys[0].Column == col {
			return true
		}
	}
	return false
}
