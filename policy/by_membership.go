package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// ByMembership is the view of a database whose policies find the caller's tenants in a table
// of memberships: walls are to show all of them, as those policies do. nil where that table,
// or its column of people, is not known.
func (v *View) ByMembership() *View {
	m := *v.Model
	if v.allOfCaller() {
		return v
	}
	if m.Membership == nil || m.Shapes.Caller != nil {
		return nil
	}
	link := v.Relation(m.Membership.Relation)
	subject := memberColumn(link, m.Membership.Column)
	if subject == "" {
		return nil
	}
	m.Shapes.Caller = &catalog.Caller{Table: m.Membership.Relation, Subject: subject, Tenant: m.Membership.Column,
		All: true}
	m.Person = true
	return v.With(&m)
}

// allOfCaller reports whether the policies show a caller all of their tenants, by memberships that
// moat.yaml declares or the policies ask.
func (v *View) allOfCaller() bool {
	c := v.Model.Shapes.Caller
	return c != nil && c.All && v.Model.Person
}

// KeepsOwn reports whether a table needs no wall beside its own policies: each isolates by
// the caller's memberships, and a wall of the same could only hide what they show besides, such as
// the other members of the caller's teams. Whoever may add a tenant adds no row to another's.
func (v *View) KeepsOwn(t *catalog.Relation) bool {
	if !v.allOfCaller() || !t.RLS || t.Partition {
		return false
	}
	some := false
	for p := range catalog.Each(t.Policies) {
		if !p.Permissive || p.Using == nil && p.Check == nil || OurDoor(p) {
			continue
		}
		if some = true; !v.ofCaller(p, t) {
			return false
		}
	}
	return some
}

// ofCaller reports whether a permissive policy lets through rows of the caller's tenants, or of the
// caller, and nothing else.
func (v *View) ofCaller(p *catalog.Policy, t *catalog.Relation) bool {
	bound := func(e *catalog.Expr) bool {
		j := v.Judge(e, t)
		return j.Isolates || j.OwnRows || j.AlwaysFalse
	}
	if p.Command == "INSERT" && v.AddsTenants(t) {
		return true
	}
	reads := p.Using == nil || bound(p.Using)
	return reads && (p.Command == "SELECT" || p.Command == "DELETE" || bound(p.WriteExpr()))
}

// Shut reports whether nobody reads a table, beside others whose policies look up the caller:
// row-level security is on, and no policy lets a row through.
func (v *View) Shut(t *catalog.Relation) bool {
	return v.Model.Person && t.RLS &&
		!slices.ContainsFunc(t.Policies, func(p catalog.Policy) bool { return p.Permissive })
}

// Wider names the permissive policies by which somebody reads more of a table than the rows of
// the caller's tenants and the caller's own.
func (v *View) Wider(t *catalog.Relation) []string {
	var names []string
	for p := range catalog.Each(t.Policies) {
		reads := p.Command == "ALL" || p.Command == "SELECT"
		if p.Permissive && reads && p.Using != nil && !OurDoor(p) && !v.ofCaller(p, t) {
			names = append(names, p.Name)
		}
	}
	return names
}

// memberColumn is the one column of a table of memberships that, by its name, says who the
// member is; where several may, the one that a unique key holds: others say who invited
// them. "" where nobody can tell.
func memberColumn(link *catalog.Relation, tenant string) string {
	if link == nil {
		return ""
	}
	var all, keyed []string
	for c := range catalog.Each(link.Columns) {
		name := strings.ToLower(c.Name)
		if c.Name == tenant || c.Name == "id" || !strings.HasSuffix(name, "id") || !NamesCaller("."+name) {
			continue
		}
		all = append(all, c.Name)
		if inUniqueKey(link, c.Name) {
			keyed = append(keyed, c.Name)
		}
	}
	switch {
	case len(all) == 1:
		return all[0]
	case len(keyed) == 1:
		return keyed[0]
	}
	return ""
}

func inUniqueKey(r *catalog.Relation, column string) bool {
	return slices.ContainsFunc(r.Indexes, func(x catalog.Index) bool {
		return x.Unique && x.Valid && x.Predicate == "" && slices.Contains(x.Columns(), column)
	})
}
