package serving

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// Below is what is served of a tenant and those below it, to who asks for them together:
// what the role that the tree is read by may reach.
type Below struct {
	*Exposure
	// Suspended is the SQL of an array of those tenants whose rows are left out, as far as
	// the role sees them; "" where nothing suspends a tenant.
	Suspended string
	// List is the table that lists the tenants, as the role may read it; nil for none.
	List *Tenants
}

// Below returns nil where the model has no tree. It is an error when which tenants are
// suspended can be told of one tenant and not of those below it.
func (d *Door) Below(v *policy.View) (*Below, error) {
	tree := v.Model.Shapes.Tree
	if tree == nil {
		return nil, nil
	}
	if v.Role(tree.Role) == nil {
		return nil, fmt.Errorf("the tree's role %s does not exist", tree.Role)
	}
	own, err := Expose(v).Tenants(d.admission.SuspendedColumn)
	if err != nil {
		return nil, err
	}
	x, err := d.narrow(&Exposure{View: v, Role: tree.Role})
	if err != nil {
		return nil, err
	}
	b := &Below{Exposure: x}
	if own == nil || own.Suspension == nil {
		b.List, err = b.Tenants("")
		return b, err
	}
	t, err := b.Tenants(own.Suspension.Column)
	if err != nil {
		return nil, fmt.Errorf("which tenants are suspended cannot be told: %w", err)
	}
	b.List = t
	b.Suspended = "ARRAY(SELECT " + sqltext.Ident(t.Key) + " FROM " + t.QName().SQL() +
		" WHERE " + t.Suspension.SQL() + ")"
	return b, nil
}

// HiddenBelow says why a relation cannot be read together with those of the tenants below,
// and "" where it can. column is its tenant column.
func (b *Below) HiddenBelow(r *catalog.Relation, column string) string {
	if b.shared(r) || b.Class(r.QName()) == catalog.PeopleTable {
		return ""
	}
	c := r.Column(column)
	switch {
	case c == nil:
		return "it has no tenant column, by which to tell the tenants' rows apart"
	case !b.MayColumn(r, c, "SELECT"):
		return "its tenant column is hidden, or the tree's role may not read it"
	case r.Kind == catalog.View && !r.SecurityInvoker:
		return "it runs as its owner, for whom there is no tree: make it security_invoker"
	}
	return ""
}
