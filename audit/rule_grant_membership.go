package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var ruleGrantMembership = Rule{
	ID: "grant-membership", Severity: Medium, Holes: []string{"T05"},
	Title: "The application role can write who is a member of a tenant, or with which role",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		configured := r.QName() == f.o.Membership
		if !configured && !f.listsMembers(r) {
			return
		}
		commands := f.writesMembers(r)
		if len(commands) == 0 {
			return
		}
		x := onRelation(r,
			"A plain member can make itself the tenant's owner, or let others in.",
			fmt.Sprintf("The application may %s on this table, and no policy asks for the caller's role.",
				strings.Join(commands, " and "))).
			decide("Take INSERT, and UPDATE of the columns that say who and as what, from the application role; let a " +
				"SECURITY DEFINER function that asks for the caller's role write them. Where nobody but your program's own " +
				"code reaches the database and asks for itself, accept the finding.")
		if configured { // whoever has a token writes here through the API
			x = x.at(High)
		}
		report(x)
	}),
}

// listsMembers reports whether a tenant table looks like the one that says which people
// belong to a tenant, and as what.
func (f *facts) listsMembers(r *catalog.Relation) bool {
	return f.look.Class(r.QName()) == catalog.TenantTable && policy.ListsMembers(r, f.tenantColumn(r.QName()))
}

// writesMembers returns the commands by which the application may add a member or change
// what one is.
func (f *facts) writesMembers(r *catalog.Relation) []string {
	own := f.tenantColumn(r.QName())
	return slices.DeleteFunc([]string{"INSERT", "UPDATE"}, func(command string) bool {
		granted := f.appMay(r.Privileges, command)
		for i := range r.Columns {
			granted = granted || policy.DecidesMembership(r.Columns[i].Name, own) && f.appMay(r.Columns[i].Privileges, command)
		}
		return !granted || !slices.ContainsFunc(f.acting(), func(role string) bool {
			return f.look.HasTablePrivilege(role, r, command) && f.asksNobody(r, role, command)
		})
	})
}

// asksNobody reports whether the policies let a role's command through without a look at
// another row or table: at what the caller is.
func (f *facts) asksNobody(r *catalog.Relation, role, command string) bool {
	e := f.look.Effective(r, role, command)
	if e.Bypass != "" {
		return true
	}
	if e.Denied {
		return false
	}
	asks := func(p *catalog.Policy) bool {
		j := f.look.Judge(p.WriteExpr(), r)
		return len(j.Subqueries) > 0 || len(j.Functions) > 0 && !f.look.Plain(p.WriteExpr(), r)
	}
	return !slices.ContainsFunc(e.Restrictive, asks) && !(len(e.Permissive) > 0 && !slices.ContainsFunc(e.Permissive,
		func(p *catalog.Policy) bool { return !asks(p) }))
}
