package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyRestrictiveRole = Rule{
	ID: "policy-restrictive-role", Severity: High, Holes: []string{"P10"},
	Title: "A restrictive policy isolates only some roles",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		if policy.Observed(r) {
			return // put aside by group observe: rls-observed says so, and the fix would enforce it
		}
		for _, p := range f.restrictive(r) {
			if slices.Contains(p.Roles, "") || !closed(p.using) && !closed(p.check) {
				continue
			}
			var open []string
			for _, role := range append(f.grantees(r), f.subjects(r)...) {
				if !f.binds(p, role) && !slices.Contains(open, role) && len(f.gaps(r, role)) > 0 {
					open = append(open, role)
				}
			}
			if len(open) == 0 {
				continue
			}
			report(onPart(r, p.Name,
				fmt.Sprintf("%s can see every tenant's rows.", strings.Join(open, ", ")),
				fmt.Sprintf("The isolating policy applies only to %s; permissive policies apply to more roles.",
					strings.Join(p.Roles, ", "))).
				with(fmt.Sprintf("ALTER POLICY %s ON %s TO PUBLIC", sqltext.Ident(p.Name), r.QName().SQL())))
		}
	}),
}
