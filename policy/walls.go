package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// The names of the policies of a tree.
const (
	treeAccess    = "tree_access"
	Gate          = "moat_roles"
	TreeIsolation = "tree_isolation"
	closureWall   = "tenant_tree_own"
)

// Spec is a policy as the model wants it.
type Spec struct {
	Table        catalog.QName
	Name         string
	Permissive   bool
	Command      string
	Roles        []string // "" is PUBLIC
	Using, Check string
}

// Create writes the policy.
func (s Spec) Create() string {
	return Create(s.Table, s.Name, s.Permissive, s.Command, s.Roles, s.Using, s.Check)
}

// Walls are the restrictive policies that a table should have: its wall for the
// application's roles, and in a tree a wall for the tree's role and a gate that lets
// nobody in who has neither. Walls that name the owner of a shared row stay as they are, even where
// its key is unique by itself.
func (v *View) Walls(t *catalog.Relation, application []string) []Spec {
	walls := func(t *catalog.Relation) []Spec { return v.walls(t, application, v.Bound(v.FormOf(t))) }
	if v.Model.Shapes.SharesOf(t.QName()) == nil {
		return walls(t)
	}
	keyless := *t
	keyless.Indexes = nil
	named := walls(&keyless)
	if slices.ContainsFunc(named, func(w Spec) bool { return w.Name != Gate && !v.HasText(t, w) }) {
		return walls(t)
	}
	return named
}

func (v *View) walls(t *catalog.Relation, application []string, s Scope) []Spec {
	tree := v.Model.Shapes.Tree
	if tree == nil {
		return v.wall(t, v.Rows(t, s), Isolation, []string{""})
	}
	gate := Spec{t.QName(), Gate, false, "ALL", []string{""}, HasRole(append(slices.Clone(application), tree.Role)), ""}
	all := append([]Spec{gate}, v.wall(t, v.Rows(t, s), Isolation, application)...)
	below := v.Rows(t, v.Below(s, tree.IsFast(t.QName())))
	below.Name = "tree"
	return append(all, v.wall(t, below, TreeIsolation, []string{tree.Role})...)
}

// wall writes one policy where all commands touch the same rows, else one a command:
// those of UPDATE and DELETE must isolate by themselves, for a statement without WHERE
// does not ask the others.
func (v *View) wall(t *catalog.Relation, r Rows, name string, roles []string) []Spec {
	q, permissive := t.QName(), v.Citus()
	if r.Same() {
		if r.Name == "members" && name == Isolation {
			name = "members_isolation"
		}
		return []Spec{{q, name, permissive, "ALL", roles, r.Read, r.Read}}
	}
	return []Spec{
		{q, r.Name + "_read", permissive, "SELECT", roles, r.Read, ""},
		{q, r.Name + "_insert", permissive, "INSERT", roles, "", r.Insert},
		{q, r.Name + "_update", permissive, "UPDATE", roles, r.Update, r.Update},
		{q, r.Name + "_delete", permissive, "DELETE", roles, r.Delete, ""},
	}
}

// HasRole is the condition that the caller has one of these roles, by the test by which
// PostgreSQL applies a policy to a role. It is asked once a statement. IS NOT NULL tells the
// planner that nearly all rows pass; of EXISTS or a boolean it expects half, and then sorts all
// rows of a tenant where an index has them in order.
func HasRole(roles []string) string {
	tests := list.Map(roles, func(role string) string { return "pg_has_role(" + sqltext.Literal(role) + ", 'USAGE')" })
	return "(SELECT " + strings.Join(tests, " OR ") + " OR NULL::boolean) IS NOT NULL"
}

// Doors are the permissive policies of the application's roles behind a table's wall.
func (v *View) Doors(t *catalog.Relation, application []string) []Spec {
	return list.Map(v.Allowed(t, v.Bound(v.FormOf(t))), func(a Allowed) Spec {
		return Spec{t.QName(), a.Name, true, a.Command, application, a.Using, a.Check}
	})
}

// OurDoor reports whether a permissive policy is one that moat writes behind its walls.
func OurDoor(p *catalog.Policy) bool {
	name, _, _ := strings.Cut(p.Name, "_m_")
	open := p.Using != nil && strings.TrimSpace(p.Using.Text) == "true"
	return p.Permissive && open && (name == Access || name == treeAccess)
}

// TreeDoors repeat for the tree's role what limits the application role within a tenant:
// its permissive policies, to read, and to write where the tree allows that.
func (v *View) TreeDoors(t *catalog.Relation, doors []Spec) []Spec {
	tree := v.Model.Shapes.Tree
	if tree == nil {
		return nil
	}
	var all []Spec
	for _, d := range doors {
		d.Name, d.Roles = treeName(d.Name), []string{tree.Role}
		if d.Command == "ALL" && !tree.Writes {
			d.Command, d.Check = "SELECT", ""
		}
		if d.Command != "SELECT" && !tree.Writes {
			continue
		}
		if d.Using == "true" && tree.IsFast(t.QName()) {
			d.Using = v.level(t)
		}
		all = append(all, d)
	}
	return all
}

func treeName(name string) string {
	if name == Access {
		return treeAccess
	}
	return sqltext.Name("tree", name)
}

// level is the condition that has the index of a hot table: rows of the whole tree that
// the tenant stands in. The wall decides which of them are below it.
func (v *View) level(t *catalog.Relation) string {
	tenants := v.Model.Tenants
	_, typ := v.owner(t)
	query := "(SELECT c." + catalog.Level + " FROM " + tenants.SQL() + " c WHERE c." + sqltext.Ident(v.Model.Key) + " " +
		v.Bound(Wrapped).Chosen(typ) + ")"
	if v.CallerTenants() != nil {
		return catalog.Level + " = ANY (ARRAY" + query + ")"
	}
	return catalog.Level + " = " + query
}

// ClosureWall is the policy of the closure: a tenant sees the pairs below it, and those
// above it where rows come from above. There is none that lets anybody write.
func (v *View) ClosureWall() Spec {
	tree, tenants := v.Model.Shapes.Tree, v.Bound(Wrapped).Chosen(v.Model.Type)
	using := "ancestor " + tenants
	if len(v.Model.Shapes.FromAbove) > 0 {
		using += " OR tenant " + tenants
	}
	return Spec{tree.Closure(), closureWall, true, "SELECT", []string{""}, using, ""}
}

// Has reports whether a table has the policy that is wanted: the same commands, roles and
// expressions, whatever its name and however the server prints it.
func (v *View) Has(t *catalog.Relation, s Spec) bool { return v.Found(t, s) != nil }

// Found is the policy of a table that is the one wanted, nil when there is none.
func (v *View) Found(t *catalog.Relation, s Spec) *catalog.Policy {
	for p := range catalog.Each(t.Policies) {
		if p.Permissive == s.Permissive && p.Command == s.Command && sameRoles(p.Roles, s.Roles) &&
			v.means(p.Using, s.Using) && v.means(p.Check, s.Check) {
			return p
		}
	}
	return nil
}

func sameRoles(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// means compares an expression, as the server prints it, with a text of ours.
func (v *View) means(e *catalog.Expr, text string) bool {
	if e == nil || text == "" {
		return e == nil && text == ""
	}
	return v.spelled(e.Text) == v.spelled(text)
}

// HasText reports whether a table has a policy of the wanted command and expressions,
// whichever roles it is for.
func (v *View) HasText(t *catalog.Relation, s Spec) bool {
	return slices.ContainsFunc(t.Policies, func(p catalog.Policy) bool {
		return p.Permissive == s.Permissive && p.Command == s.Command && v.means(p.Using, s.Using) &&
			v.means(p.Check, s.Check)
	})
}

// Shaped reports whether a shape of the model has a say in who sees a table's rows.
func (v *View) Shaped(t *catalog.Relation) bool {
	s, q := &v.Model.Shapes, t.QName()
	return s.Tree != nil || s.Caller != nil || s.MembersOf(q) != nil || s.LinkOf(q) != nil || s.SharedRowsOf(q) != nil ||
		s.Above(q) || s.PartiesOf(q) != nil || s.SharesOf(q) != nil || s.ShareLinkOf(q) != nil || s.InsideOf(q) != nil
}
