package audit

import (
	"cmp"
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var rulePerfHotTenant = Rule{
	ID: "perf-hot-tenant", Severity: Info, Kind: Slow, Holes: []string{"F13"},
	Title: "One tenant is large enough for a partition of its own",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		if !f.hot(r) {
			return
		}
		tenant := cmp.Or(sqltext.Literal(f.o.Evidence.Hot[r.QName()]), "''")
		if tenant == "''" {
			tenant = "TENANT"
		}
		share := r.Column(f.tenantColumn(r.QName())).MostCommon
		report(onRelation(r,
			"The vacuum, the indexes and the cache of all tenants' rows are those of the largest tenant.",
			fmt.Sprintf("By the statistics one tenant has about %.0f of %.0f rows.", share*float64(r.Estimate.Rows),
				float64(r.Estimate.Rows))).
			decide("Give the tenant a partition of its own while everybody goes on working: moat protect --table %s "+
				"--partition %s --apply. moat protect --table %[1]s --by hash:16 spreads all tenants instead.", r.QName(), tenant))
	}),
}
