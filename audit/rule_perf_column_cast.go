package audit

import "github.com/moat-db/moat/catalog"

var rulePerfColumnCast = Rule{
	ID: "perf-column-cast", Severity: Low, Kind: Slow, Holes: []string{"F03"},
	Title: "A policy casts the tenant column",
	Check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return p.using.ColumnWrapped
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			x := onPart(r, p.Name,
				"Every query reads the whole table: 300 times as long as with the index.",
				"An index holds the column, not the column cast to another type or passed to a function.")
			if f.look.Loose(r.Column(f.tenantColumn(r.QName()))) != "" {
				return x.decide("The cast makes the comparison exact: change the column to a type that is exact by itself (text), then compare it as it is.")
			}
			if f.look.Plain(p.Using, r) {
				return x.with(f.replaceBothSQL(r, p.Policy)...)
			}
			return x.decide("Cast the setting to the column's type instead.")
		})
	},
}
