package audit

import (
	"cmp"

	"github.com/moat-db/moat/catalog"
)

var rulePerfMembership = Rule{
	ID: "perf-membership", Severity: Low, Kind: Slow, Holes: []string{"F04"},
	Title: "A policy runs a subquery for every row",
	check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return p.using.SubLinkPerRow
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			x := onPart(r, p.Name,
				"Every query reads the whole table and takes 200 times as long as with the index.",
				"PostgreSQL evaluates IN (SELECT …) and EXISTS row by row, or as a join for which this table has no index.")
			return x.decide("Rewrite it as %s = ANY (ARRAY(SELECT …)). The list is then built once, and the index is used.",
				cmp.Or(f.tenantColumn(r.QName()), "the column"))
		})
	},
}
