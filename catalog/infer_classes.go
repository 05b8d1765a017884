package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// classify gives every table its class, but for shared ones, which need the roles.
func (f *inference) classify() error {
	for _, r := range f.all {
		f.classes[r.QName()] = f.own(r)
	}
	if f.m.Tenants != (QName{}) && f.classes[f.m.Tenants] == nil {
		// The tenants table stands in a schema that is not looked at.
		f.say("tenants table %s is outside the schemas looked at", f.m.Tenants)
	}
	for _, r := range f.all {
		f.inherit(r)
	}
	for _, r := range f.all {
		if entry := f.classes[r.QName()]; entry.Class == UnknownTable {
			f.byForeignKey(r, entry)
		}
	}
	for _, r := range f.all {
		f.inherit(r)
	}
	return nil
}

// own is the class that a table has by itself.
func (f *inference) own(r *Relation) *TableModel {
	entry := &TableModel{Table: r.QName(), Class: UnknownTable}
	switch {
	case f.ignored[r.QName()] != "":
		entry.Class, entry.Why = IgnoredTable, f.ignored[r.QName()]
	case r.QName() == f.m.Tenants:
		entry.set(TenantsTable, r, f.m.Key, "lists the tenants by "+f.m.Key)
	case slices.Contains(f.o.Shared, r.QName()):
		entry.Class, entry.Why = SharedTable, "configured as shared"
	case r.column(f.m.Column) != nil:
		entry.set(TenantTable, r, f.m.Column, "has the tenant column "+f.m.Column)
	case f.directColumn(r) != "":
		column := f.directColumn(r)
		entry.set(TenantTable, r, column, fmt.Sprintf("its column %s, never NULL, references %s", column, f.m.Tenants))
	default:
		entry.Why = "has no tenant column, and no foreign key leads to a table that has"
	}
	return entry
}

func (e *TableModel) set(class Class, r *Relation, column, why string) {
	e.Class, e.Column, e.Why = class, column, why
	if c := r.column(column); c != nil {
		e.Type = c.Type
	}
}

// directColumn is the one column that references the tenants table by another name
// than the usual, if it is never NULL; "" otherwise.
func (f *inference) directColumn(r *Relation) string {
	found := ""
	for _, c := range r.Constraints {
		if c.Type != ForeignKey || c.References != f.m.Tenants || r.QName() == f.m.Tenants {
			continue
		}
		if len(c.Columns) != 1 || c.RefColumns[0] != f.m.Key || found != "" && found != c.Columns[0] {
			return ""
		}
		found = c.Columns[0]
	}
	if c := r.column(found); c == nil || !c.NotNull {
		return ""
	}
	return found
}

// inherit gives a partition or an inheriting table its parent's class.
func (f *inference) inherit(r *Relation) {
	entry := f.classes[r.QName()]
	if entry.Class != UnknownTable {
		return
	}
	for _, parent := range f.v.Parents(r) {
		above := f.classes[parent.QName()]
		if above == nil {
			continue
		}
		f.inherit(parent)
		if above.Class != UnknownTable {
			entry.Class, entry.Column, entry.Type, entry.Paths = above.Class, above.Column, above.Type, above.Paths
			entry.Why = fmt.Sprintf("belongs to %s", parent.QName())
			return
		}
	}
}

// maxPaths bounds what is kept of a table that reaches its tenant in many ways.
const maxPaths = 16

// byForeignKey finds the shortest ways from a table to one with a tenant column.
func (f *inference) byForeignKey(r *Relation, entry *TableModel) {
	level := []Path{nil}
	seen := map[QName]bool{r.QName(): true}
	for len(level) > 0 && len(entry.Paths) == 0 {
		var next []Path
		reached := map[QName]bool{}
		for _, path := range level {
			at := r
			if len(path) > 0 {
				at = f.v.relations[path[len(path)-1].To]
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
	entry.Class = ChildTable
	entry.Why = "reaches its tenant only through " + entry.Paths[0].String()
	if n := len(entry.Paths); n > 1 {
		entry.Why = fmt.Sprintf("reaches a tenant in %d ways of the same length, the first through %s", n, entry.Paths[0])
	}
}

func (f *inference) hasTenant(name QName) bool {
	entry := f.classes[name]
	return entry != nil && (entry.Class == TenantTable || entry.Class == TenantsTable)
}

// steps are the foreign keys of a table, each once though partitions repeat them.
func (f *inference) steps(r *Relation) []Step {
	if r == nil {
		return nil
	}
	var all []Step
	for _, c := range r.Constraints {
		target := f.classes[c.References]
		if c.Type != ForeignKey || c.References == r.QName() || target == nil || target.Class == IgnoredTable || target.Class == SharedTable {
			continue
		}
		step := Step{From: r.QName(), Constraint: c.Name, Columns: c.Columns, To: c.References, RefColumns: c.RefColumns}
		for _, name := range c.Columns {
			if column := r.column(name); column != nil && !column.NotNull {
				step.Nullable = true
			}
		}
		twice := slices.ContainsFunc(all, func(s Step) bool { return s.To == step.To && slices.Equal(s.Columns, step.Columns) })
		if !twice {
			all = append(all, step)
		}
	}
	return all
}

// comparePaths puts ways that always lead somewhere before those over a column that
// may be NULL.
func comparePaths(a, b Path) int {
	nullable := func(s Step) bool { return s.Nullable }
	order := func(p Path) int {
		if slices.ContainsFunc(p, nullable) {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.String(), b.String()))
}

// String returns the path for people: lines.order_id → orders.tenant_id is written
// app.lines (order_id) → app.orders.
func (p Path) String() string {
	var b strings.Builder
	for i, step := range p {
		if i == 0 {
			b.WriteString(step.From.String())
		}
		fmt.Fprintf(&b, " (%s) → %s", strings.Join(step.Columns, ", "), step.To)
	}
	return b.String()
}

// shared takes a table for shared when nothing in it leads to a tenant, tables that
// belong to tenants refer to it, and no application role can do more than read.
func (f *inference) shared() error {
	for _, r := range f.all {
		entry := f.classes[r.QName()]
		if entry.Class != UnknownTable || r.Partition {
			continue
		}
		if len(f.m.Roles) == 0 || f.writable(r) {
			continue
		}
		entry.Class = SharedTable
		entry.Why = "no foreign key leads to a tenant, and application roles may at most read it"
		f.say("table %s is shared: %s", r.QName(), entry.Why)
	}
	for _, r := range f.all {
		f.inherit(r)
	}
	return nil
}

func (f *inference) writable(r *Relation) bool {
	for _, role := range f.m.Roles {
		for _, privilege := range []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"} {
			if f.v.HasTablePrivilege(role, r, privilege) {
				return true
			}
		}
	}
	return false
}
