package audit

import "github.com/moat-db/moat/catalog"

var rulePerfSkew = Rule{
	ID: "perf-skew", Severity: Low, Kind: Slow, Holes: []string{"F06"},
	Title: "The planner cannot see that one tenant is large",
	check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return f.skewed(r) && p.using.Wrapped
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			return onPart(r, p.Name,
				"The planner treats a large tenant like an average one.",
				"The value of the subquery is unknown at planning time, and one tenant has more than 5 percent of the rows.").
				decide("Add the tenant to the slow queries (tenant_id = $1), or use the direct form of the policy on this table.")
		})
	},
}
