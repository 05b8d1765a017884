package audit

import "github.com/moat-db/moat/catalog"

var rulePerfColumnCast = Rule{
	ID: "perf-column-cast", Severity: Low, Kind: Slow, Holes: []string{"F03"},
	Title: "A policy casts the tenant column",
	check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return p.using.ColumnWrapped
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			x := onPart(r, p.Name,
				"Every query reads the whole table and takes 300 times as long as with the index.",
				"An index stores the column, not the result of a cast or function.")
			if f.look.Loose(r.Column(f.tenantColumn(r.QName()))) != "" {
				return x.decide("The cast makes the comparison exact. Change the column to a type that compares exactly, such " +
					"as text, then compare it without a cast.")
			}
			if f.look.Plain(p.Using, r) {
				return x.with(f.replaceBothSQL(r, p.Policy)...)
			}
			return x.decide("Cast the setting to the column's type instead.")
		})
	},
}
