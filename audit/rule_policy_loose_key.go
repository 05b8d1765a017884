package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyLooseKey = Rule{
	ID: "policy-loose-key", Severity: High, Holes: []string{"P17"},
	Title: "Two spellings of a tenant's id are one tenant",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, r := range f.judged() {
			c := r.Column(f.tenantColumn(r.QName()))
			why := f.loose(c)
			if why == "" {
				continue
			}
			for _, p := range f.policies[r.QName()] {
				if !p.using.InexactEquality && !p.check.InexactEquality {
					continue
				}
				x := onPart(r, p.Name,
					"A tenant named ACME sees the rows of the tenant acme.",
					fmt.Sprintf("%s: values that differ are equal.", why))
				out = append(out, x.with(f.exactSQL(r, p.Policy, c)...))
			}
		}
		return out
	},
}

// loose says why a column's equality is not exact, "" when it is.
func (f *facts) loose(c *catalog.Column) string {
	switch {
	case c == nil:
		return ""
	case c.TypeName.Name == "citext":
		return "The tenant column is of type citext"
	case c.TypeName.Name == "bpchar":
		return "The tenant column is of type character(n), which ignores blanks at the end"
	}
	for _, co := range f.s.Collations {
		if !co.Deterministic && (co.Name == c.Collation || co.Schema+"."+co.Name == c.Collation || catalog.QName{Schema: co.Schema, Name: co.Name}.SQL() == c.Collation) {
			return "The tenant column has the nondeterministic collation " + co.Name
		}
	}
	return ""
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
