package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var ruleCitusRestrictive = Rule{
	ID: "citus-restrictive", Severity: Critical, Holes: []string{"D01"},
	Title: "A restrictive policy is permissive on the shards",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.policies[r.QName()] {
			if !p.Permissive && f.onShards(r) {
				report(f.lostOnShards(r, p))
			}
		}
	}),
}

func (f *facts) lostOnShards(r *catalog.Relation, p *judgedPolicy) Finding {
	x := onPart(r, p.Name,
		"Every tenant can read and change whatever any other policy of the table allows: often all rows of all tenants.",
		"Citus makes the policy on its shards without AS RESTRICTIVE. Permissive policies are joined by OR.")
	if !f.look.Distributed(r.QName()).Spread() {
		x.Severity = High // once it is distributed
	}
	if f.tenantColumn(r.QName()) == "" || !ownPair(f.policies[r.QName()]) {
		return x.decide("Make one permissive policy of all policies of %s, its conditions joined by AND, and drop the "+
			"others.", r.QName())
	}
	fix := make([]string, 0, 4)
	for _, q := range f.policies[r.QName()] {
		if q.Name != policy.Isolation {
			fix = append(fix, policy.Drop(r.QName(), q.Name))
		}
	}
	return x.with(append(fix, f.isolateSQL(r)...)...)
}

// ownPair reports whether a table has one wall that isolates every command and everybody, and
// behind it nothing but access to all: one policy can take the place of both.
func ownPair(all []*judgedPolicy) bool {
	walls := 0
	for _, p := range all {
		everybody := p.Command == "ALL" && slices.Equal(p.Roles, []string{""})
		switch {
		case p.Permissive && p.Using != nil && strings.TrimSpace(p.Using.Text) == "true" && p.Command == "ALL":
		case !p.Permissive && everybody && closed(p.using) && closed(p.check):
			walls++
		default:
			return false
		}
	}
	return walls == 1
}
