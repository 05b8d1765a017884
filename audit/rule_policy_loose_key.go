package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyLooseKey = Rule{
	ID: "policy-loose-key", Severity: High, Holes: []string{"P17"},
	Title: "Two spellings of a tenant's id count as the same tenant",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		c := r.Column(f.tenantColumn(r.QName()))
		if c == nil || f.look.Loose(c) == "" {
			return
		}
		for _, p := range f.policies[r.QName()] {
			if !p.using.InexactEquality && !p.check.InexactEquality {
				continue
			}
			x := onPart(r, p.Name,
				"The tenant ACME can see the rows of the tenant acme.",
				fmt.Sprintf("%s, so different values count as equal.", f.look.Loose(c)))
			report(x.with(f.exactSQL(r, p.Policy, c)...))
		}
	}),
}

// exactSQL compares byte by byte.
func (f *facts) exactSQL(r *catalog.Relation, p *catalog.Policy, c *catalog.Column) []string {
	col := sqltext.Ident(c.Name) + ` COLLATE "C"`
	if c.TypeName.Name == "citext" || c.TypeName.Name == "bpchar" {
		col = sqltext.Ident(c.Name) + "::text"
	}
	expr := policy.Equals(col, policy.Tenant(f.m.Setting, "text"), f.look.FormOf(r))
	using, check := expr, ""
	if p.Command == "INSERT" {
		using, check = "", expr
	} else if p.Check != nil {
		check = expr
	}
	return []string{policy.Alter(r.QName(), p.Name, using, check)}
}
