package audit

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var rulePolicyUnsetRaises = Rule{
	ID: "policy-unset-raises", Severity: Low, Kind: Outage, Holes: []string{"S03"},
	Title: "A policy raises an error when no tenant is set",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.policies[r.QName()] {
			if !p.using.RaisesWhenUnset && !p.check.RaisesWhenUnset {
				continue
			}
			x := onPart(r, p.Name,
				"A statement without a tenant fails instead of finding no rows, and the error depends on "+
					"whether the connection is new.",
				"On a new connection the setting is missing; once it has been used, it is ''. Without missing_ok, the first "+
					"raises 42704. Without nullif, casting the second raises 22P02.")
			if f.look.Plain(p.Using, r) && (p.Check == nil || f.look.Plain(p.Check, r)) {
				x = x.with(f.replaceBothSQL(r, p.Policy)...)
			} else {
				x = x.decide("Read the setting as nullif(current_setting('…', true), '') before casting it.")
			}
			report(x)
		}
	}),
}

// replaceBothSQL writes the tenant predicate, in moat's own form, over both
// expressions of a policy.
func (f *facts) replaceBothSQL(r *catalog.Relation, p *catalog.Policy) []string {
	c := r.Column(f.tenantColumn(r.QName()))
	if c == nil {
		return nil
	}
	expr := policy.Isolating(c.Name, f.m.Setting, f.look.BaseType(c.Type), f.look.FormOf(r))
	check := ""
	if p.Check != nil {
		check = expr
	}
	return []string{policy.Alter(r.QName(), p.Name, expr, check)}
}
