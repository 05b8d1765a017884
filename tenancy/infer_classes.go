package tenancy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// classify gives every table its class, but for shared ones, which need the roles.
func (f *inference) classify() error {
	for _, r := range f.all {
		f.classes[r.QName()] = f.own(r)
	}
	if f.m.Tenants != (catalog.QName{}) && f.classes[f.m.Tenants] == nil {
		// The tenants table stands in a schema that is not looked at.
		f.say("tenants table %s is outside the schemas looked at", f.m.Tenants)
	}
	for _, r := range f.all {
		f.inherit(r)
	}
	for _, r := range f.all {
		if entry := f.classes[r.QName()]; entry.Class == catalog.UnknownTable {
			f.byForeignKey(r, entry)
		}
	}
	for _, r := range f.all {
		f.inherit(r)
	}
	return nil
}

// own is the class that a table has by itself.
func (f *inference) own(r *catalog.Relation) *catalog.TableModel {
	entry := &catalog.TableModel{Table: r.QName(), Class: catalog.UnknownTable}
	switch {
	case f.ignored[r.QName()] != "":
		entry.Class, entry.Why = catalog.IgnoredTable, f.ignored[r.QName()]
	case r.QName() == f.m.Tenants:
		set(entry, catalog.TenantsTable, r, f.m.Key, "lists the tenants by "+f.m.Key)
	case slices.Contains(f.o.Shared, r.QName()):
		entry.Class, entry.Why = catalog.SharedTable, "configured as shared"
	case f.m.Shapes.MembersOf(r.QName()) != nil:
		entry.Class = catalog.PeopleTable
		entry.Why = "has people, who belong to tenants through " + f.m.Shapes.MembersOf(r.QName()).Through.String()
	case f.columnOf(r) != "":
		set(entry, catalog.TenantTable, r, f.columnOf(r), f.whyTenant(r))
	case f.m.Shapes.OwnedByOf(r.QName()) != nil:
		entry.Class = catalog.ChildTable
		entry.Why = "its rows belong to the tenant of the row that refers to them by " +
			f.m.Shapes.OwnedByOf(r.QName()).By.String()
	default:
		entry.Why = "has no tenant column, and no foreign key leads to a table that has"
	}
	return entry
}

// whyTenant says how a table's tenant column was found.
func (f *inference) whyTenant(r *catalog.Relation) string {
	column := f.columnOf(r)
	switch {
	case f.m.Shapes.PartiesOf(r.QName()) != nil:
		return "its rows belong to the party in " + column
	case f.o.Columns[r.QName().String()] != "":
		return "configured: its tenant column is " + column
	case column == f.spelled(r):
		return "has the tenant column " + column
	}
	return fmt.Sprintf("its column %s, never NULL, references %s", column, f.m.Tenants)
}

func set(e *catalog.TableModel, class catalog.Class, r *catalog.Relation, column, why string) {
	e.Class, e.Column, e.Why = class, column, why
	if c := r.Column(column); c != nil {
		e.Type = c.Type
	}
}

// directColumn is the one column that references the tenants table by another name
// than the usual, if it is never NULL; "" otherwise. Where another key leads to a table of
// tenants as well, whose row it is has to be said: a share names its receiver.
func (f *inference) directColumn(r *catalog.Relation) string {
	found := ""
	for _, c := range r.Constraints {
		if c.Type != catalog.ForeignKey || r.QName() == f.m.Tenants {
			continue
		}
		if to := f.v.Relation(c.References); c.References != f.m.Tenants && to != r && to != nil && f.spelled(to) != "" &&
			!slices.Contains(f.o.Shared, c.References) {
			return ""
		}
		if c.References != f.m.Tenants {
			continue
		}
		if len(c.Columns) != 1 || c.RefColumns[0] != f.m.Key || found != "" && found != c.Columns[0] {
			return ""
		}
		found = c.Columns[0]
	}
	if c := r.Column(found); c == nil || !c.NotNull {
		return ""
	}
	return found
}

// inherit gives a partition or an inheriting table its parent's class.
func (f *inference) inherit(r *catalog.Relation) {
	entry := f.classes[r.QName()]
	if entry.Class != catalog.UnknownTable {
		return
	}
	for _, parent := range f.v.Parents(r) {
		above := f.classes[parent.QName()]
		if above == nil {
			continue
		}
		f.inherit(parent)
		if above.Class != catalog.UnknownTable {
			entry.Class, entry.Column, entry.Type, entry.Paths = above.Class, above.Column, above.Type, above.Paths
			entry.Why = fmt.Sprintf("belongs to %s", parent.QName())
			return
		}
	}
}

// maxPaths bounds what is kept of a table that reaches its tenant in many ways.
const maxPaths = 16

// byForeignKey finds the shortest ways from a table to one with a tenant column.
func (f *inference) byForeignKey(r *catalog.Relation, entry *catalog.TableModel) {
	level := []catalog.Path{nil}
	seen := map[catalog.QName]bool{r.QName(): true}
	for len(level) > 0 && len(entry.Paths) == 0 {
		var next []catalog.Path
		reached := map[catalog.QName]bool{}
		for _, path := range level {
			at := r
			if len(path) > 0 {
				at = f.v.Relation(path[len(path)-1].To)
			}
			for _, step := range f.steps(at) {
				if seen[step.To] {
					continue
				}
				longer := append(slices.Clone(path), step)
				reached[step.To] = true
				if f.hasTenant(step.To) {
					entry.Paths = append(entry.Paths, longer)
				} else if len(next) < maxPaths {
					next = append(next, longer)
				}
			}
		}
		for name := range reached {
			seen[name] = true
		}
		level = next
	}
	if len(entry.Paths) == 0 {
		return
	}
	slices.SortStableFunc(entry.Paths, comparePaths)
	entry.Paths = entry.Paths[:min(len(entry.Paths), maxPaths)]
	entry.Class = catalog.ChildTable
	entry.Why = "reaches its tenant only through " + entry.Paths[0].String()
	if n := len(entry.Paths); n > 1 {
		entry.Why = fmt.Sprintf("reaches a tenant in %d ways of the same length, the first through %s", n, entry.Paths[0])
	}
}

func (f *inference) hasTenant(name catalog.QName) bool {
	entry := f.classes[name]
	return entry != nil && (entry.Class == catalog.TenantTable || entry.Class == catalog.TenantsTable)
}

// steps are the foreign keys of a table that may lead to its tenant, each once though
// partitions repeat them. A person belongs to several tenants, so none leads through people.
func (f *inference) steps(r *catalog.Relation) []catalog.Step {
	if r == nil || f.m.Shapes.MembersOf(r.QName()) != nil {
		return nil
	}
	several := f.inSeveral(r)
	var all []catalog.Step
	for _, c := range r.Constraints {
		target := f.classes[c.References]
		if c.Type != catalog.ForeignKey || c.References == r.QName() || target == nil ||
			target.Class == catalog.IgnoredTable || target.Class == catalog.SharedTable {
			continue
		}
		step := catalog.Step{From: r.QName(), Constraint: c.Name, Columns: c.Columns,
			To: c.References, RefColumns: c.RefColumns}
		for _, name := range c.Columns {
			if column := r.Column(name); column != nil && !column.NotNull {
				step.Nullable = true
			}
		}
		if several && step.Nullable {
			continue
		}
		same := func(s catalog.Step) bool { return s.To == step.To && slices.Equal(s.Columns, step.Columns) }
		if !slices.ContainsFunc(all, same) {
			all = append(all, step)
		}
	}
	return all
}

// inSeveral reports whether a table lists which of the rows of r are members of a tenant: a
// key of their own that may be NULL then names the tenant they looked at last, or the like.
func (f *inference) inSeveral(r *catalog.Relation) bool {
	return slices.ContainsFunc(f.v.References(r.QName()), func(ref catalog.Reference) bool {
		column := f.columnOf(ref.From)
		return column != "" && ref.From.QName() != f.m.Tenants && len(ref.Key.Columns) == 1 &&
			policy.ListsMembers(ref.From, column)
	})
}

// comparePaths puts ways that always lead somewhere before those over a column that
// may be NULL.
func comparePaths(a, b catalog.Path) int {
	nullable := func(s catalog.Step) bool { return s.Nullable }
	order := func(p catalog.Path) int {
		if slices.ContainsFunc(p, nullable) {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.String(), b.String()))
}

// shared takes a table for shared when nothing in it leads to a tenant, tables that
// belong to tenants refer to it, and no application role can do more than read.
func (f *inference) shared() error {
	for _, r := range f.all {
		entry := f.classes[r.QName()]
		if entry.Class != catalog.UnknownTable || r.Partition || r.Kind == catalog.ForeignTable {
			continue // whose rows another server holds, nothing here says
		}
		if len(f.m.Roles) == 0 || f.writable(r) || f.hasPeople(r) {
			continue
		}
		entry.Class, entry.Assumed = catalog.SharedTable, true
		entry.Why = "no foreign key leads to a tenant, and application roles may at most read it"
		f.say("table %s is shared: %s", r.QName(), entry.Why)
	}
	for _, r := range f.all {
		f.inherit(r)
	}
	return nil
}

// hasPeople reports whether another table links the rows of r to tenants, and one of the
// two is named after people: who is whose colleague is not for everybody to read.
func (f *inference) hasPeople(r *catalog.Relation) bool {
	return slices.ContainsFunc(f.v.References(r.QName()), func(ref catalog.Reference) bool {
		return f.columnOf(ref.From) != "" && ref.From.QName() != f.m.Tenants && len(ref.Key.Columns) == 1 &&
			(policy.ListsMembers(ref.From, f.columnOf(ref.From)) || f.links(ref.From, r) &&
				(policy.NamesPeople(ref.From.Name) || policy.NamesPeople(r.Name)))
	})
}

// links reports whether a table has two foreign keys, to the tenants and to another table.
func (f *inference) links(link, to *catalog.Relation) bool {
	tenants, other, all := false, false, 0
	for _, k := range link.Constraints {
		if k.Type != catalog.ForeignKey {
			continue
		}
		all++
		tenants, other = tenants || k.References == f.m.Tenants, other || k.References == to.QName()
	}
	return tenants && other && all == 2
}

func (f *inference) writable(r *catalog.Relation) bool {
	for _, role := range f.m.Roles {
		for _, privilege := range []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"} {
			if f.v.HasTablePrivilege(role, r, privilege) {
				return true
			}
		}
	}
	return false
}
