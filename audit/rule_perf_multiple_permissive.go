package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var rulePerfMultiplePermissive = Rule{
	ID: "perf-multiple-permissive", Severity: Info, Kind: Slow, Peer: "multiple_permissive_policies",
	Title: "Several permissive policies apply to one command",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		if n := f.mostPermissive(r); n > 1 {
			report(onRelation(r,
				fmt.Sprintf("PostgreSQL checks each row against up to %d policies for one command.", n),
				"Permissive policies are combined with OR, and an OR prevents the use of the index.").
				decide("Combine them into one policy, or make the tenant policy the restrictive one."))
		}
	}),
}

func (f *facts) mostPermissive(r *catalog.Relation) int {
	most := 0
	for _, role := range f.subjects(r) {
		for _, command := range commands {
			n := 0
			for _, p := range f.policies[r.QName()] {
				if p.Permissive && f.look.Applies(p.Policy, role, command) &&
					p.on(sidesOf(command)[0]).Flaw != policy.Absent && p.using.Flaw != policy.AlwaysTrue {
					n++
				}
			}
			most = max(most, n)
		}
	}
	return most
}
