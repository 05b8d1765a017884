package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyNoRole = Rule{
	ID: "policy-no-role", Severity: Low, Kind: Outage, Holes: []string{"P33"}, Peer: "rls_enabled_no_policy",
	Title: "No policy lets the application role read a table on which it has SELECT",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, app := range f.acting() {
			if r.Partition || !f.touches(app, r, "SELECT") || f.admits(r, app, "SELECT") || f.assumedOnly(app) {
				continue
			}
			x := onRelation(r,
				fmt.Sprintf("%s sees no rows at all. Such an outage is often \"fixed\" with BYPASSRLS.", app),
				"If no permissive policy applies to a role, PostgreSQL denies it every row.")
			report(f.admitSQL(x, r, app))
		}
	}),
}

// assumedOnly reports whether a role stands among the acting ones only because another
// can become it.
func (f *facts) assumedOnly(role string) bool { return !slices.Contains(f.apps, role) }

// admits reports whether a permissive policy with an expression applies to a role and
// command.
func (f *facts) admits(r *catalog.Relation, role, command string) bool {
	return slices.ContainsFunc(f.policies[r.QName()], func(p *judgedPolicy) bool {
		s := sidesOf(command)[0]
		return p.Permissive && f.look.Applies(p.Policy, role, command) && p.on(s).Flaw != policy.Absent
	})
}

// admitSQL extends a policy that isolates to the role, or makes one where none does.
func (f *facts) admitSQL(x Finding, r *catalog.Relation, role string) Finding {
	for _, p := range f.policies[r.QName()] {
		if p.Permissive && p.covers("SELECT") && closed(p.using) {
			to := append(slices.Clone(p.Roles), role)
			return x.with(fmt.Sprintf("ALTER POLICY %s ON %s TO %s", sqltext.Ident(p.Name), r.QName().SQL(), sqltext.Idents(to)))
		}
	}
	if len(r.Policies) == 0 && f.tenantColumn(r.QName()) != "" {
		return x.with(f.isolateSQL(r)...)
	}
	return x.decide("Add %s to a permissive policy, or revoke its SELECT privilege.", role)
}
