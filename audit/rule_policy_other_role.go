package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyOtherRole = Rule{
	ID: "policy-other-role", Severity: Critical, Holes: []string{"P11", "P40"},
	Title: "A membership gives the application role a policy that does not isolate",
	check: func(f *facts) []Finding {
		return f.membershipGaps(func(g gap) bool { return g.flaw != policy.Literal }, func(g gap, app, via string) Finding {
			return onPart(g.r, g.p.Name,
				fmt.Sprintf("%s sees the rows that the policy opens to %s: every tenant's.", app, via),
				fmt.Sprintf("A policy TO %s also applies to its members, and %s is one, directly or through other roles.",
					via, app))
		})
	},
}

// membershipGaps reports the gaps that an application role has only as a member of
// the role that a policy names, with the memberships to revoke.
func (f *facts) membershipGaps(want func(gap) bool, describe func(g gap, app, via string) Finding) []Finding {
	var out []Finding
	for _, r := range f.judgedTables {
		for _, app := range f.apps {
			for _, role := range f.actsAs(app) {
				for _, g := range f.gaps(r, role) {
					via := f.through(g.p, role)
					if via == "" || !want(g) || len(f.restrictive(r)) > 0 {
						continue
					}
					x := describe(g, app, via)
					for _, m := range f.membershipsTo(app, via, catalog.Use) {
						x = x.with("REVOKE " + sqltext.Ident(m.Role) + " FROM " + sqltext.Ident(app))
					}
					out = append(out, x)
				}
			}
		}
	}
	return out
}
