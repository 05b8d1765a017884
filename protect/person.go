package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// PersonError is returned by [New] for a database whose policies ask who the caller is,
// and from which nobody can tell which tenants are the caller's: no table says who belongs
// to which. A wall by one tenant would hide from people what those policies show them, so
// nothing is planned.
type PersonError struct {
	Setting    string
	Claim      []string
	Membership *catalog.ColumnRef
}

func (e *PersonError) Error() string {
	source := strings.Join(append([]string{e.Setting}, e.Claim...), " → ")
	if e.Membership != nil {
		return fmt.Sprintf("the policies of this database find a caller's tenants in %s, by %s, and no column of it is "+
			"known to name the caller", e.Membership.Relation, source)
	}
	return fmt.Sprintf("the policies of this database read who the caller is (%s), and not which tenant is current",
		source)
}

// byMembership is the view of a database whose policies find the caller's tenants in a table
// of memberships: walls are to show all of them, as those policies do. nil where that table,
// or its column of people, is not known.
func byMembership(v *policy.View) *policy.View {
	m := *v.Model
	if c := m.Shapes.Caller; c != nil && c.All && m.Person {
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

// memberColumn is the one column of a table of memberships that, by its name, says who the
// member is; where several may, the one that a unique key holds: others say who invited
// them. "" where nobody can tell.
func memberColumn(link *catalog.Relation, tenant string) string {
	if link == nil {
		return ""
	}
	var all, keyed []string
	for i := range link.Columns {
		c := &link.Columns[i]
		name := strings.ToLower(c.Name)
		if c.Name == tenant || c.Name == "id" || !strings.HasSuffix(name, "id") || !policy.NamesCaller("."+name) {
			continue
		}
		all = append(all, c.Name)
		if slices.ContainsFunc(existingUniques(link), func(key []string) bool { return slices.Contains(key, c.Name) }) {
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

// keepsOwn reports whether a table keeps its own policies, and gets no wall: each isolates by
// the caller's memberships, and a wall of the same could only hide what they show besides, such as
// the other members of the caller's teams. A caller that moat.yaml declares asks for walls.
func (p *planner) keepsOwn(rel *catalog.Relation) bool {
	if !p.inferred || !rel.RLS || rel.Partition {
		return false
	}
	some := false
	for i := range rel.Policies {
		pol := &rel.Policies[i]
		if !pol.Permissive || pol.Using == nil && pol.Check == nil || p.isOurs(pol, nil) {
			continue
		}
		some = true
		reads := pol.Using == nil || p.bound(p.Judge(pol.Using, rel))
		if !reads || pol.Command != "SELECT" && pol.Command != "DELETE" && !p.bound(p.Judge(pol.WriteExpr(), rel)) {
			return false
		}
	}
	return some || len(rel.Policies) == 0 // closed to everybody: a door of ours would open it
}

// bound reports whether an expression lets through rows of the caller's tenants, or of the
// caller, and nothing else.
func (p *planner) bound(j policy.Judgement) bool { return j.Isolates || j.OwnRows || j.AlwaysFalse }

// noteOwn says why nothing is planned for the policies of a table.
func (p *planner) noteOwn(rel *catalog.Relation) {
	var names []string
	for i := range rel.Policies {
		names = append(names, rel.Policies[i].Name)
	}
	slices.Sort(names)
	p.note(key(rel.QName()), "keeps its own policies, which isolate by the caller's memberships: "+
		strings.Join(names, ", "))
}
