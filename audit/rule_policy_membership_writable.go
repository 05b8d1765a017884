package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var rulePolicyMembershipWritable = Rule{
	ID: "policy-membership-writable", Severity: Critical, Holes: []string{"P15", "T03"},
	Title: "The application role can write the table in which a policy looks up tenants",
	check: each((*facts).lookups, func(f *facts, l lookup, report reporter) {
		names := slices.DeleteFunc([]string{"INSERT", "UPDATE"}, func(name string) bool {
			return !f.writable(l.table, name) && !(l.names && f.appTouches(l.table, name))
		})
		fix := f.revokeSQL(l.table, names...)
		if len(fix) == 0 {
			return
		}
		report(onRelation(l.table,
			"A tenant can make itself a member of another tenant and see its rows.",
			fmt.Sprintf("The policy %s of %s trusts the rows of this table.", l.policy, l.of.QName())).with(fix...))
	}),
}

// lookup is a table that a policy of another table reads.
type lookup struct {
	table, of *catalog.Relation
	policy    string
	// names is true when its rows name those let through: then a tenant's own row does
	// harm, too.
	names bool
}

// lookups returns the tables that policies read to decide, each once.
func (f *facts) lookups() []lookup {
	var out []lookup
	for r := range catalog.Each(f.s.Relations) {
		if !r.RLS || f.look.Class(r.QName()) == catalog.IgnoredTable {
			continue
		}
		for _, p := range f.policies[r.QName()] {
			for _, name := range p.reads() {
				t := f.look.Relation(name)
				if t == nil || t == r || !t.IsTable() || slices.ContainsFunc(out, func(l lookup) bool { return l.table == t }) {
					continue
				}
				share := f.m.Shapes.ShareLinkOf(name) != nil // its owner writes it, and its walls see to that
				out = append(out, lookup{t, r, p.Name, p.namesRows(name) && !share})
			}
		}
	}
	return out
}

// namesRows reports whether a policy lets through what rows of another table name.
func (p *judgedPolicy) namesRows(link catalog.QName) bool {
	return slices.ContainsFunc(slices.Concat(p.using.Links, p.check.Links), func(c catalog.ColumnRef) bool {
		return c.Relation == link
	})
}

// writable reports whether rows of another tenant's, or for it, can be written: there is
// the privilege, and no policy stands in the way.
func (f *facts) writable(t *catalog.Relation, command string) bool {
	if !f.appTouches(t, command) {
		return false
	}
	if !t.RLS {
		return true
	}
	if command == "INSERT" && f.look.AddsTenants(t) {
		return false
	}
	for _, role := range f.subjects(t) {
		for _, p := range f.policies[t.QName()] {
			open := p.check.Flaw != policy.Absent && !closed(p.check) && !f.restricted(t, role, command, admitted)
			if p.Permissive && open && f.look.Applies(p.Policy, role, command) {
				return true
			}
		}
	}
	return false
}
