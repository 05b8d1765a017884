package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyRestrictiveCommand = Rule{
	ID: "policy-restrictive-command", Severity: High, Holes: []string{"P09"},
	Title: "A restrictive policy isolates only some commands",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.restrictive(r) {
			if p.Command == "ALL" || !closed(p.using) && !closed(p.check) {
				continue
			}
			var open []string
			for _, role := range f.subjects(r) {
				for _, g := range f.gaps(r, role) {
					if !p.covers(g.command) && f.binds(p, role) && !slices.Contains(open, g.command) {
						open = append(open, g.command)
					}
				}
			}
			if len(open) == 0 {
				continue
			}
			x := onPart(r, p.Name,
				fmt.Sprintf("%s can reach every tenant's rows.", strings.Join(open, ", ")),
				fmt.Sprintf("The isolating policy covers only %s. The other commands are left to permissive policies.", p.Command))
			if f.tenantColumn(r.QName()) != "" {
				x = x.with(recreateSQL(r, p.Policy, "ALL", f.predicate(r))...)
			}
			report(x)
		}
	}),
}
