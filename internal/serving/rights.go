package serving

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// Access says what clients reach of a relation at most: what the role may do decides
// within it. The zero value leaves everything to the role.
type Access struct {
	// Hidden leaves the relation out, ReadOnly lets nobody write to it.
	Hidden, ReadOnly bool
	// Hide are columns that nobody sees or writes, Read those that nobody writes.
	Hide, Read []string
	// Write are the columns that may be changed in a table that says who the tenants, or
	// their members, are. In such a table nothing else is ever written.
	Write []string
}

// right is an Access, with what moat adds by itself.
type right struct {
	Access
	keeper bool // says who the tenants, or their members, are
}

// allows reports whether clients may run a command on a column.
func (r *right) allows(column, command string) bool {
	switch {
	case r == nil:
		return true
	case r.Hidden || slices.Contains(r.Hide, column):
		return false
	case command == "SELECT":
		return true
	case r.keeper:
		return command == "UPDATE" && slices.Contains(r.Write, column)
	}
	return !r.ReadOnly && !slices.Contains(r.Read, column)
}

// rows reports whether clients may run a command on whole rows.
func (r *right) rows(command string) bool {
	return r == nil || !r.Hidden && (command == "SELECT" || !r.ReadOnly && !r.keeper)
}

// narrows reports whether less may be written than the role may write.
func (r *right) narrows() bool {
	return r != nil && (r.ReadOnly || r.keeper || len(r.Hide)+len(r.Read) > 0)
}

// right finds what clients reach of a relation. A view writes to the table below it, under
// names of its own: where less may be written there, nothing is through the view, unless a
// trigger of the team's does the writing.
func (x *Exposure) right(r *catalog.Relation, command string) *right {
	own := x.rights[r.QName()]
	written := r.InsteadOf.Insert && command == "INSERT" || r.InsteadOf.Update && command == "UPDATE" ||
		r.InsteadOf.Delete && command == "DELETE"
	if r.Kind != catalog.View || command == "SELECT" || written || !x.narrowed(r, map[catalog.QName]bool{}) {
		return own
	}
	locked := right{Access: Access{ReadOnly: true}}
	if own != nil {
		locked.Hidden, locked.Hide = own.Hidden, own.Hide
	}
	return &locked
}

func (x *Exposure) narrowed(view *catalog.Relation, seen map[catalog.QName]bool) bool {
	seen[view.QName()] = true
	return slices.ContainsFunc(x.Bases(view), func(base *catalog.Relation) bool {
		return x.rights[base.QName()].narrows() || base.Kind == catalog.View && !seen[base.QName()] &&
			x.narrowed(base, seen)
	})
}

// Expose returns what clients reach of a database, which is what the role may reach, less
// what the Admission's Expose takes from it. It is an error when that names what is not
// there, or opens what must stay closed.
func (d *Door) Expose(v *policy.View) (*Exposure, error) { return d.narrow(Expose(v)) }

func (d *Door) narrow(x *Exposure) (*Exposure, error) {
	x.rights = map[catalog.QName]*right{}
	for name, access := range d.admission.Expose {
		if err := x.known(name, access); err != nil {
			return nil, err
		}
		x.rights[name] = &right{Access: access}
	}
	fixed, err := d.admission.keepers(x)
	if err != nil {
		return nil, err
	}
	for name, r := range x.rights {
		if fixed[name] == nil && len(r.Write) > 0 {
			return nil, fmt.Errorf("expose %s: only the tables of tenants and members list columns to write; "+
				"elsewhere the role's privileges do", name)
		}
	}
	for name, columns := range fixed {
		r := x.rights[name]
		if r == nil {
			r = &right{}
			x.rights[name] = r
		}
		r.keeper = true
		for _, c := range r.Write {
			if why := columns[c]; why != "" {
				return nil, fmt.Errorf("expose %s: column %s %s, and is never writable", name, c, why)
			}
		}
	}
	return x, nil
}

// known finds names that are not in the database.
func (x *Exposure) known(name catalog.QName, a Access) error {
	r := x.Relation(name)
	if r == nil {
		return fmt.Errorf("expose %s: there is no such table or view", name)
	}
	for _, c := range slices.Concat(a.Hide, a.Read, a.Write) {
		if r.Column(c) == nil {
			return fmt.Errorf("expose %s: there is no column %s", name, c)
		}
	}
	return nil
}

// keepers are the tables that say who the tenants and their members are, and of each the
// columns that no client ever writes, with the reason: whoever could would be let in where
// others are kept out.
func (a Admission) keepers(x *Exposure) (map[catalog.QName]map[string]string, error) {
	all := map[catalog.QName]map[string]string{}
	fix := func(table catalog.QName, column, why string) {
		if x.Relation(table) == nil {
			return
		}
		if all[table] == nil {
			all[table] = map[string]string{}
		}
		if column != "" {
			all[table][column] = why
		}
	}
	m := x.Model
	fix(m.Tenants, m.Key, "says which tenant a row is")
	t, err := x.Tenants(a.SuspendedColumn)
	if err != nil {
		return nil, err
	}
	if t != nil && t.Suspension != nil && t.Suspension.Column != "" {
		fix(m.Tenants, t.Suspension.Column, "says who is suspended")
	}
	if tree := m.Shapes.Tree; tree != nil {
		fix(m.Tenants, tree.Parent, "says which tenant stands above")
		fix(m.Tenants, catalog.Level, "says which tenant stands above")
	}
	for _, s := range a.Issuers {
		fix(m.Tenants, s.Column, "says whose issuer speaks for a tenant")
		fix(m.Tenants, s.Lookup, "is an issuer's name of a tenant")
	}
	fix(m.Tenants, a.Names, "is what hosts and paths name tenants by")
	members := a.Membership
	fix(members.Table, members.subject(), "says who is a member")
	fix(members.Table, members.tenant(m), "says of which tenant")
	fix(members.Table, members.Issuer, "says who is a member")
	if c := m.Shapes.Caller; c != nil {
		fix(c.Table, c.Subject, "says who is a member")
		fix(c.Table, c.Tenant, "says of which tenant")
		fix(c.Table, c.Issuer, "says who is a member")
	}
	for _, s := range m.Shapes.Members {
		fix(s.Through, s.Person, "says who is a member")
		fix(s.Through, s.Accepted, "says whether the membership counts")
		if link := x.Table(s.Through); link != nil {
			fix(s.Through, link.Column, "says of which tenant")
		}
	}
	return all, nil
}
