package audit

import "github.com/moat-db/moat/catalog"

var rulePerfSkew = Rule{
	ID: "perf-skew", Severity: Low, Kind: Slow, Holes: []string{"F06"},
	Title: "The planner cannot see that one tenant is large",
	Check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return f.skewed(r) && p.using.Wrapped
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			return onPart(r, p.Name,
				"Plans for a large tenant are made as if it were an average one.",
				"The value in the sub-select is unknown when the query is planned, and one tenant has more than a twentieth of the rows.").
				decide("Write the tenant into the queries that suffer (tenant_id = $1), or use the direct form of the policy on this table.")
		})
	},
}
