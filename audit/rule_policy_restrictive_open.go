package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyRestrictiveOpen = Rule{
	ID: "policy-restrictive-open", Severity: High, Holes: []string{"P12", "P13", "P16", "P32"},
	Title: "A restrictive policy that should isolate does not",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		meant := f.restrictive(r)
		if slices.ContainsFunc(meant, func(p *judgedPolicy) bool { return closed(p.using) }) || !f.anyGap(r) {
			return
		}
		for _, p := range meant {
			if p.Using == nil && p.Check == nil {
				continue // policy-restrictive-empty
			}
			x := onPart(r, p.Name,
				"Tenants can reach each other's rows as far as the expression allows.",
				fmt.Sprintf("The policy mentions the tenant column but does not compare it with the caller's tenant (%s).",
					p.using.Flaw))
			if f.tenantColumn(r.QName()) == "" {
				x = x.decide("Compare the column that leads to the tenant with the caller's tenant.")
			} else {
				x = x.with(f.replaceSQL(openPolicy{r: r, p: p})...)
			}
			report(x)
		}
	}),
}

func (f *facts) anyGap(r *catalog.Relation) bool {
	return slices.ContainsFunc(f.subjects(r), func(role string) bool { return len(f.gaps(r, role)) > 0 })
}
