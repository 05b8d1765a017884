package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// levelKept says what no longer keeps the level column of a fast table.
func (f *facts) levelKept(r *catalog.Relation) []Finding {
	tree := f.m.Shapes.Tree
	if !tree.IsFast(r.QName()) {
		return nil
	}
	const hidden = "A list of the whole tree leaves out rows, because their level is wrong."
	column := f.tenantColumn(r.QName())
	var out []Finding
	for _, helper := range []policy.Helper{f.look.RootHelper(), f.look.LevelHelper(r.QName(), column)} {
		if why := f.look.Missing(helper); why != "" {
			out = append(out, onRelation(r, hidden, "Nothing fills "+catalog.Level+": "+why+".").decide(planAgain))
		}
	}
	moves := func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && k.References == f.m.Tenants && k.OnUpdate == "cascade" &&
			slices.Equal(k.Columns, []string{column, catalog.Level})
	}
	if !slices.ContainsFunc(r.Constraints, moves) {
		out = append(out, onRelation(r, hidden, fmt.Sprintf("No foreign key moves %s with the tenant.", catalog.Level)).
			decide(planAgain))
	}
	return out
}

// peopleShown reports columns of people that colleagues read and that are not declared.
func (f *facts) peopleShown(r *catalog.Relation) []Finding {
	m := f.m.Shapes.MembersOf(r.QName())
	if m == nil {
		return nil
	}
	var out []Finding
	for _, c := range r.Columns {
		reads := func(role string) bool { return f.look.HasColumnPrivilege(role, r, c.Name, "SELECT") }
		if c.Name == m.Key || slices.Contains(m.Columns, c.Name) || !slices.ContainsFunc(f.acting(), reads) {
			continue
		}
		out = append(out, onPart(r, c.Name, "Colleagues read a column of people that was not to be shown.",
			"tables.members lists the columns that members of a tenant read, and this is none of them.").
			decide("Revoke it: REVOKE SELECT ON %s, then run moat protect, which grants the listed columns. Or list it.",
				r.QName().SQL()))
	}
	return out
}

// doorsBeside reports permissive policies beside those of a shape that says who may do what
// within a tenant: together, the wider one decides.
func (f *facts) doorsBeside(r *catalog.Relation) []Finding {
	if f.m.Shapes.InsideOf(r.QName()) == nil && f.m.Shapes.MembersOf(r.QName()) == nil {
		return nil
	}
	doors := f.look.Doors(r, []string{""})
	doors = append(doors, f.look.TreeDoors(r, doors)...)
	var out []Finding
	for _, p := range r.Policies {
		applies := func(role string) bool { return f.look.Applies(&p, role, p.Command) }
		if !p.Permissive || !slices.ContainsFunc(f.acting(), applies) {
			continue
		}
		declared := false
		for _, door := range doors {
			door.Roles = p.Roles
			declared = declared || f.look.Found(r, door) != nil && f.look.Found(r, door).Name == p.Name
		}
		if !declared {
			out = append(out, onPart(r, p.Name, "A policy beside those of the declared shape may let a caller do more.",
				fmt.Sprintf("Permissive policies add up, and this one is for %s.", strings.Join(f.namesOf(p.Roles), ", "))).
				decide("Drop it (DROP POLICY %s ON %s), or accept the finding.", sqltext.Ident(p.Name), r.QName().SQL()))
		}
	}
	return out
}

func (*facts) namesOf(roles []string) []string {
	return list.Map(roles, sqltext.Role)
}
