package audit

import (
	"github.com/moat-db/moat/catalog"
)

var rulePerfMembership = Rule{
	ID: "perf-membership", Severity: Low, Kind: Slow, Holes: []string{"F04"},
	Title: "A policy asks a sub-query about each row",
	Check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return p.using.SubLinkPerRow
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			x := onPart(r, p.Name,
				"Every query reads the whole table: 200 times as long as with the index.",
				"IN (SELECT …) and EXISTS are computed row by row, or as a join that no index of this table serves.")
			return x.decide("Write it as %s = ANY (ARRAY(SELECT …)): the list is made once and the index serves.", orElse(f.tenantColumn(r.QName()), "the column"))
		})
	},
}
