package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleCitusBoundOwner = Rule{
	ID: "citus-bound-owner", Severity: Medium, Kind: Outage, Holes: []string{"D03"},
	Title: "Whoever moves shards loses rows",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		if f.look.Distributed(r.QName()).Spread() && r.RLS && r.ForceRLS && !f.movable(r.Owner) {
			report(f.losesRows(r.Owner))
		}
	}),
}

// movable reports whether a role that no policy binds has an owner's rights; a superuser that
// owns has its own.
func (f *facts) movable(owner string) bool {
	return slices.ContainsFunc(f.s.Roles, func(r catalog.Role) bool {
		return r.Super && r.Name == owner || !r.Super && r.BypassRLS && f.has(r.Name, owner)
	})
}

func (f *facts) losesRows(owner string) Finding {
	x := Finding{Object: owner, Group: "roles",
		Message: "To move, isolate or undistribute a tenant's shard as this role drops rows without an error.",
		Why: fmt.Sprintf("%s owns distributed tables and their policies bind it, so that it copies only the rows it sees. "+
			"No role with BYPASSRLS has its rights.", owner)}
	// Which role that should be is not for SQL to say: roles are the cluster's, and have other uses.
	return x.decide("Make a role with BYPASSRLS a member of %s (GRANT %s TO moat_operator), and move shards as that role "+
		"or as a superuser.", owner, sqltext.Ident(owner))
}
