package why

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

func (a *asker) constraint(kind Kind, format string) Cause {
	table := catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName}
	return Cause{Kind: kind, Object: table.String() + "." + a.err.ConstraintName,
		Text: fmt.Sprintf(format, a.err.ConstraintName, table)}
}

// failing is the constraint that the server names.
func (a *asker) failing() (*catalog.Relation, *catalog.Constraint) {
	r := a.view.Relation(catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName})
	if r == nil {
		return nil, nil
	}
	return r, r.Constraint(a.err.ConstraintName)
}

func (a *asker) causeOfForeignKey() Cause {
	r, key := a.failing()
	if key == nil {
		return Cause{}
	}
	c := a.constraint(ForeignKey, "The key %s of %s refused it.")
	parent := key.References.String()
	if w := a.written(); w != nil && w.rel.QName() == key.References && w.rel != r {
		c.Text = fmt.Sprintf("Rows of %s still refer to the row of %s (key %s).", r.QName(), parent, key.Name)
		c.Fix = "Delete them first, or give the key ON DELETE CASCADE."
		return c
	}
	if slices.Contains(key.Columns, a.view.TenantColumn(r)) {
		c.Text = fmt.Sprintf("The tenant has no such row in %s: it is another tenant's, or nobody's (key %s of %s).", parent,
			key.Name, r.QName())
		c.Fix = "moat why 'SELECT … FROM " + parent + " WHERE …' says which."
		return c
	}
	c.Text = fmt.Sprintf("There is no such row in %s, of any tenant (key %s of %s).", parent, key.Name, r.QName())
	return c
}

func (a *asker) causeOfUniqueKey() Cause {
	r := a.view.Relation(catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName})
	if r == nil {
		return Cause{}
	}
	c := a.constraint(UniqueKey, "The key %s of %s is taken.")
	for i := range r.Indexes {
		if r.Indexes[i].Name != a.err.ConstraintName {
			continue
		}
		if own := a.view.TenantColumn(r); own != "" && slices.Contains(r.Indexes[i].Columns(), own) {
			c.Text = fmt.Sprintf("The tenant has a row with this key already (%s of %s); a policy may hide it.",
				r.Indexes[i].Name, r.QName())
			return c
		}
		c.Text = fmt.Sprintf("A row of some tenant has this key already: %s of %s is for all tenants together.",
			r.Indexes[i].Name, r.QName())
		c.Fix = "Begin the key with the tenant column: moat explain key-unique."
	}
	return c
}

func (a *asker) causeOfNull() Cause {
	r := a.view.Relation(catalog.QName{Schema: a.err.SchemaName, Name: a.err.TableName})
	if r == nil {
		return Cause{}
	}
	c := Cause{Kind: NotNull, Object: r.QName().String() + "." + a.err.ColumnName,
		Text: fmt.Sprintf("%s of %s has no value.", a.err.ColumnName, r.QName())}
	if a.err.ColumnName != a.view.TenantColumn(r) {
		return c
	}
	if a.Scope.Tenant == "" && len(a.Settings) == 0 {
		return Cause{NoTenant, c.Object, fmt.Sprintf("No tenant is bound, so that %s gets no value.", c.Object),
			"Bind the tenant in the transaction, before the statement; here, --tenant does it."}
	}
	c.Fix = "moat protect gives the column a default, the current tenant."
	return c
}
