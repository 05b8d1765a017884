package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleViewRule = Rule{
	ID: "view-rule", Severity: Critical, Holes: []string{"V10", "V22", "V38"},
	Title: "A rewrite rule reaches tenant rows with its owner's rights",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		for _, rule := range r.Rules {
			if rule.Enabled == "disabled" || !f.appTouches(r, rowPrivileges...) {
				continue
			}
			x := onPart(r, rule.Name,
				"A write by one tenant can read or change other tenants' rows.",
				fmt.Sprintf("PostgreSQL checks what a rule touches with the rights of the owner of its relation, %s, "+
					"even with security_invoker.", r.Owner)).
				with(fmt.Sprintf("DROP RULE IF EXISTS %s ON %s", sqltext.Ident(rule.Name), r.QName().SQL()))
			if !f.ruleBypasses(r, rule.Name) {
				x.Severity = Low
				x.Message = "The rule hides what a write does. One change of owner or of FORCE lets it bypass the policies."
			}
			report(x)
		}
	}),
}

func (f *facts) ruleBypasses(r *catalog.Relation, rule string) bool {
	for _, d := range f.look.Reads(r.QName()) {
		if d.Rule != rule {
			continue
		}
		t := f.look.Relation(d.On)
		if t != nil && t.IsTable() && f.holdsTenants(d.On) && f.bypassesPolicies(r.Owner, t) {
			return true
		}
	}
	return false
}
