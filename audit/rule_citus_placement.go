package audit

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var ruleCitusPlacement = Rule{
	ID: "citus-placement", Severity: Critical,
	Title: "A shard does not have the policies of its table",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		if x, ok := f.strayed(r); ok {
			report(x)
		}
	}),
}

// strayed tells of the shards of a table that differ from it, the first of them by name.
func (f *facts) strayed(r *catalog.Relation) (Finding, bool) {
	all := f.o.Evidence.Placements[r.QName()]
	var first *Placement
	n, flags, policies := 0, false, false
	for p := range catalog.Each(all.Shards) {
		offFlags, offPolicies := p.RLS != all.Table.RLS || p.Forced != all.Table.Forced, !samePolicies(&all.Table, p)
		if !offFlags && !offPolicies {
			continue
		}
		if n++; first == nil {
			first = p
		}
		flags, policies = flags || offFlags, policies || offPolicies
	}
	if n == 0 {
		return Finding{}, false
	}
	x := onRelation(r,
		"Rows of other tenants are read through the coordinator, as far as the shard lets them through.",
		fmt.Sprintf("Row-level security of %d of %d shards differs from the table's, such as shard %d on %s.", n,
			len(all.Shards), first.Shard, first.Node))
	return x.with(f.restore(r, flags, policies)...), true
}

// restore writes the table's row-level security onto all its shards.
func (f *facts) restore(r *catalog.Relation, flags, policies bool) (fix []string) {
	name := sqltext.Literal(r.QName().SQL())
	on := func(command string) {
		fix = append(fix, fmt.Sprintf("SELECT * FROM run_command_on_placements(%s, %s) WHERE NOT success", name,
			sqltext.Literal(command)))
	}
	if flags && r.RLS {
		on("ALTER TABLE %s ENABLE ROW LEVEL SECURITY")
	}
	if flags && r.ForceRLS {
		on("ALTER TABLE %s FORCE ROW LEVEL SECURITY")
	}
	if policies {
		for i := range r.Policies {
			fix = append(fix, policy.Drop(r.QName(), r.Policies[i].Name), policy.Again(r.QName(), &r.Policies[i]))
		}
	}
	return fix
}

// samePolicies compares a shard's policies with the table's, but for AS RESTRICTIVE, of which
// citus-restrictive speaks.
func samePolicies(table, shard *Placement) bool {
	return slices.EqualFunc(table.Policies, shard.Policies, func(own, placed PlacedPolicy) bool {
		if !own.Permissive {
			placed.Permissive = false
		}
		return reflect.DeepEqual(own, placed)
	})
}
