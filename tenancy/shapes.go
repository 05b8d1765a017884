package tenancy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
)

// ShapeError is returned by [Infer] when a declared shape cannot be that of its table.
type ShapeError struct {
	Key  string // of moat.yaml: tables.members.app.users
	Text string
}

func (e *ShapeError) Error() string { return e.Key + ": " + e.Text }

// shapes checks the declared shapes against the database and completes them by its keys.
func (f *inference) shapes() error {
	s := cloneShapes(f.o.Shapes)
	f.m.Shapes = s
	return cmp.Or(f.tree(), f.caller(), f.members(), f.sharedRows(), f.fromAbove(), f.parties(), f.shares(), f.ownedBy(),
		f.inside())
}

// cloneShapes copies what is completed in place.
func cloneShapes(s catalog.Shapes) catalog.Shapes {
	if s.Tree != nil {
		tree := *s.Tree
		s.Tree = &tree
	}
	if s.Caller != nil {
		caller := *s.Caller
		s.Caller = &caller
	}
	s.Members, s.Shares, s.OwnedBy = slices.Clone(s.Members), slices.Clone(s.Shares), slices.Clone(s.OwnedBy)
	s.Inside = slices.Clone(s.Inside)
	return s
}

// need returns an error unless the table is there and has the columns.
func (f *inference) need(key string, table catalog.QName, columns ...string) error {
	r := f.v.Relation(table)
	if r == nil {
		return &ShapeError{key, fmt.Sprintf("there is no table %s", table)}
	}
	for _, name := range columns {
		if name != "" && r.Column(name) == nil {
			return &ShapeError{key, fmt.Sprintf("table %s has no column %s", table, name)}
		}
	}
	return nil
}

// tree completes a declared tree, or infers one from the closure that moat keeps.
func (f *inference) tree() error {
	t, closure := f.m.Shapes.Tree, f.v.Relation((*catalog.Tree)(nil).Closure())
	parent := f.parent()
	if t == nil {
		if closure == nil || parent == "" {
			return nil
		}
		t = &catalog.Tree{Parent: parent}
		f.m.Shapes.Tree = t
		f.say("tree of tenants by %s.%s: kept in %s", f.m.Tenants, parent, t.Closure())
		f.readTree(t)
	}
	const key = "tenant.parent"
	if f.m.Tenants == (catalog.QName{}) {
		return &ShapeError{key, "there is no tenants table; name it (tenant.table)"}
	}
	t.Role = cmp.Or(t.Role, roles.Tree)
	if t.Parent == "" {
		if parent == "" {
			return &ShapeError{key, fmt.Sprintf("no foreign key leads from %s to itself; name the column", f.m.Tenants)}
		}
		t.Parent = parent
		f.say("tenant.parent %s: it refers to the key of %s", parent, f.m.Tenants)
	}
	if err := f.need(key, f.m.Tenants, t.Parent); err != nil {
		return err
	}
	for _, name := range t.Fast {
		if err := f.need("tables.tree.fast", name); err != nil {
			return err
		}
	}
	return nil
}

// parent is the one column of the tenants table that refers to its key, "" otherwise.
func (f *inference) parent() string {
	found := ""
	t := f.v.Relation(f.m.Tenants)
	if t == nil {
		return ""
	}
	for _, c := range t.Constraints {
		if c.Type != catalog.ForeignKey || c.References != t.QName() || len(c.Columns) != 1 || c.RefColumns[0] != f.m.Key {
			continue
		}
		if found != "" && found != c.Columns[0] {
			return ""
		}
		found = c.Columns[0]
	}
	return found
}

// readTree reads off the grants and columns what a tree without a declaration allows.
func (f *inference) readTree(t *catalog.Tree) {
	for _, r := range f.all {
		if r.QName() == f.m.Tenants || f.ignored[r.QName()] != "" {
			continue
		}
		t.Writes = t.Writes || f.v.Role(roles.Tree) != nil && f.v.HasTablePrivilege(roles.Tree, r, "INSERT")
		if r.Column(catalog.Level) != nil && !r.Partition {
			t.Fast = append(t.Fast, r.QName())
		}
	}
}

func (f *inference) caller() error {
	c := f.m.Shapes.Caller
	if c == nil {
		return nil
	}
	c.Subject, c.Tenant = cmp.Or(c.Subject, "subject"), cmp.Or(c.Tenant, f.m.Column)
	return f.need("caller", c.Table, c.Subject, c.Tenant, c.Role, c.Issuer)
}

func (f *inference) members() error {
	for m := range catalog.Each(f.m.Shapes.Members) {
		key := "tables.members." + m.Table.String()
		err := cmp.Or(f.need(key, m.Table, m.Columns...), f.need(key, m.Through, m.Person, m.Accepted, f.tenantOf(m.Through)))
		if err != nil {
			return err
		}
		if f.tenantOf(m.Through) == "" {
			return &ShapeError{key, fmt.Sprintf("%s has no tenant column to link people by", m.Through)}
		}
		if m.Key = f.target(m.Through, m.Person, m.Table); m.Key == "" {
			return &ShapeError{key, fmt.Sprintf("%s.%s refers to no column of %s", m.Through, m.Person, m.Table)}
		}
		if err := f.issuer(key, m.Table, &m.Issuer); err != nil {
			return err
		}
	}
	return nil
}

// target is the column of to that a column refers to: by a foreign key, else the
// primary key of the same type.
func (f *inference) target(from catalog.QName, column string, to catalog.QName) string {
	r, t := f.v.Relation(from), f.v.Relation(to)
	for _, c := range r.Constraints {
		at := slices.Index(c.Columns, column)
		if c.Type == catalog.ForeignKey && c.References == to && at >= 0 {
			return c.RefColumns[at]
		}
	}
	if key := primaryKey(t); key != nil && r.Column(column).Type == key.Type {
		return key.Name
	}
	return ""
}

// tenantOf is the tenant column of a table, "" where it has none.
func (f *inference) tenantOf(name catalog.QName) string {
	if r := f.v.Relation(name); r != nil {
		return f.columnOf(r)
	}
	return ""
}

func (f *inference) sharedRows() error {
	for _, x := range f.m.Shapes.SharedRows {
		if err := f.hasTenantColumn("tables.shared_rows", x.Table); err != nil {
			return err
		}
	}
	return nil
}

func (f *inference) hasTenantColumn(key string, table catalog.QName) error {
	if err := f.need(key, table); err != nil {
		return err
	}
	if f.tenantOf(table) == "" {
		return &ShapeError{key, fmt.Sprintf("table %s has no tenant column", table)}
	}
	return nil
}

func (f *inference) fromAbove() error {
	for _, name := range f.m.Shapes.FromAbove {
		if err := f.hasTenantColumn("tables.from_above", name); err != nil {
			return err
		}
		if f.m.Shapes.Tree == nil {
			return &ShapeError{"tables.from_above", "rows come from above in a tree only; name tenant.parent"}
		}
	}
	return nil
}

func (f *inference) parties() error {
	for _, x := range f.m.Shapes.Parties {
		key := "tables.parties." + x.Table.String()
		if err := f.need(key, x.Table, append([]string{x.Owner}, x.Reads...)...); err != nil {
			return err
		}
	}
	return nil
}

func (f *inference) shares() error {
	for x := range catalog.Each(f.m.Shapes.Shares) {
		key := "tables.shares." + x.Table.String()
		err := cmp.Or(f.hasTenantColumn(key, x.Table), f.need(key, x.Through, x.With, x.Edits))
		if err != nil {
			return err
		}
		if x.With == f.tenantOf(x.Through) {
			return &ShapeError{key, fmt.Sprintf("%s is the tenant column of %s: whoever receives a share would own it", x.With,
				x.Through)}
		}
		if x.Row, x.Key = f.reference(x.Through, x.Table); x.Row == "" {
			return &ShapeError{key, fmt.Sprintf("no foreign key leads from %s to %s", x.Through, x.Table)}
		}
	}
	return nil
}

// reference is the column, besides the tenant's, by which one table refers to another,
// and what it refers to.
func (f *inference) reference(from, to catalog.QName) (column, key string) {
	for _, c := range f.v.Relation(from).Constraints {
		if c.Type != catalog.ForeignKey || c.References != to {
			continue
		}
		for i, name := range c.Columns {
			if name != f.tenantOf(from) {
				return name, c.RefColumns[i]
			}
		}
	}
	return "", ""
}

func (f *inference) ownedBy() error {
	for x := range catalog.Each(f.m.Shapes.OwnedBy) {
		key := "tables.owned_by." + x.Table.String()
		if err := cmp.Or(f.need(key, x.Table), f.need(key, x.By.Relation, x.By.Column)); err != nil {
			return err
		}
		if x.Key = f.target(x.By.Relation, x.By.Column, x.Table); x.Key == "" {
			return &ShapeError{key, fmt.Sprintf("%s refers to no column of %s", x.By, x.Table)}
		}
	}
	return nil
}

func (f *inference) inside() error {
	for x := range catalog.Each(f.m.Shapes.Inside) {
		key := "tables.inside." + x.Table.String()
		if err := cmp.Or(f.hasTenantColumn(key, x.Table), f.need(key, x.Table, x.Owner)); err != nil {
			return err
		}
		if x.Owner == "" {
			continue
		}
		if err := f.issuer(key, x.Table, &x.Issuer); err != nil {
			return err
		}
	}
	return nil
}

// issuer completes the column that says whose subject a row is of. Callers have an issuer
// where their table names one; a column of the same name means the same.
func (f *inference) issuer(key string, table catalog.QName, column *string) error {
	c := f.m.Shapes.Caller
	if c == nil || c.Issuer == "" {
		if *column != "" {
			return &ShapeError{key, "callers have no issuer; name its column in caller.issuer"}
		}
		return nil
	}
	if *column == "" && f.v.Relation(table).Column(c.Issuer) != nil {
		*column = c.Issuer
		f.say("%s.issuer %s: it has the name of caller.issuer", key, c.Issuer)
	}
	return f.need(key, table, *column)
}
