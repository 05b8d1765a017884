package audit

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePerfDirectForm = Rule{
	ID: "perf-direct-form", Severity: Low, Kind: Slow, Holes: []string{"F08", "F09"}, Peer: "auth_rls_initplan",
	Title: "A policy reads the setting for every row",
	check: func(f *facts) []Finding {
		return f.eachPolicy(func(r *catalog.Relation, p *judgedPolicy) bool {
			return f.look.FormOf(r) == policy.Wrapped && !f.skewed(r) && p.direct()
		}, func(r *catalog.Relation, p *judgedPolicy) Finding {
			x := onPart(r, p.Name,
				"A sequential scan takes three times as long, and a plan cached for one tenant is reused for all.",
				"Outside a subquery, PostgreSQL reads the setting for every row, and estimates its value at planning time.")
			if f.look.Plain(p.Using, r) && (p.Check == nil || f.look.Plain(p.Check, r)) {
				return x.with(f.replaceBothSQL(r, p.Policy)...)
			}
			if value := f.look.OtherValue(p.Using, r); value != "" && p.Check == nil {
				column := sqltext.Ident(f.tenantColumn(r.QName()))
				return x.with(policy.Alter(r.QName(), p.Name, policy.Equals(column, value, policy.Wrapped), ""))
			}
			return x.decide("Put SELECT around the part that does not depend on the row: (SELECT …).")
		})
	},
}

// direct reports whether a policy that isolates reads the caller's setting outside of a
// subquery, for every row.
func (p *judgedPolicy) direct() bool {
	v := p.using
	if !closed(v) || v.InexactEquality || v.SubLinkPerRow || v.Wrapped || len(v.Settings) == 0 || len(v.Subqueries) > 0 {
		return false
	}
	// A helper that is asked about the row cannot stand in a subquery.
	for n := range p.Using.Root.All() {
		if n.Kind == catalog.NodeFunction && n.Has(catalog.NodeColumn) {
			return false
		}
	}
	return true
}
