package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Nobody is the value, as SQL, that owns the rows for everybody of a table whose tenant
// column may be NULL, or the sentinel that the model names; "" where there are none.
func (v *View) Nobody(t *catalog.Relation) string {
	x := v.Model.Shapes.SharedRowsOf(t.QName())
	if x == nil {
		return ""
	}
	_, typ := v.owner(t)
	typ = v.comparable(typ)
	if x.Sentinel != "" {
		return cast(sqltext.Literal(x.Sentinel), typ)
	}
	switch typ {
	case "uuid":
		return "'00000000-0000-0000-0000-000000000000'::uuid"
	case "bigint", "integer", "smallint":
		return "0::" + typ
	}
	return cast("''", typ)
}

// OwnerKey is the column of a table with rows for everybody that keys refer to: a foreign
// key never matches NULL.
const OwnerKey = "owner_key"

// ReachesFurther reports whether tenants may refer to rows of a table that are not their
// own: everybody's, or those of a tenant above.
func (v *View) ReachesFurther(parent catalog.QName) bool {
	return v.Model.Shapes.SharedRowsOf(parent) != nil || v.Model.Shapes.Above(parent)
}

// NamesOthers reports whether a foreign key names another tenant on purpose: the one
// above, the topmost, a party, or the receiver of a share.
func (v *View) NamesOthers(t *catalog.Relation, k *catalog.Constraint) bool {
	q, s := t.QName(), &v.Model.Shapes
	if k.References != v.Model.Tenants {
		return false
	}
	names := func(column string) bool { return slices.Equal(k.Columns, []string{column}) }
	switch {
	case s.Tree != nil && q == v.Model.Tenants && names(s.Tree.Parent), slices.Contains(k.Columns, catalog.Level):
		return s.Tree != nil
	case s.ShareLinkOf(q) != nil && names(s.ShareLinkOf(q).With):
		return true
	}
	return s.PartiesOf(q) != nil && slices.ContainsFunc(s.PartiesOf(q).Reads, names)
}

// Unpaired are the columns with the other parties of a row, and those of the row that it refers
// to, which a key between two tables of parties does not compare: a line of an order could
// name somebody who has no part in it.
func (v *View) Unpaired(t *catalog.Relation, k *catalog.Constraint) (columns, refs []string) {
	own, of := v.Model.Shapes.PartiesOf(t.QName()), v.Model.Shapes.PartiesOf(k.References)
	if own == nil || of == nil || len(own.Reads) != len(of.Reads) {
		return nil, nil
	}
	for i, name := range own.Reads {
		if !slices.Contains(k.Columns, name) {
			columns, refs = append(columns, name), append(refs, of.Reads[i])
		}
	}
	return columns, refs
}

// Bounded reports whether a foreign key to rows that may be others' is bounded: the row
// says whose the meant one is, and may say only the tenant itself, and nobody or a tenant
// above.
func (v *View) Bounded(t *catalog.Relation, k *catalog.Constraint) bool {
	parent := v.Relation(k.References)
	if parent == nil || !v.ReachesFurther(k.References) {
		return false
	}
	nobody, tenant := v.Nobody(parent), v.TenantColumn(t)
	key := v.TenantColumn(parent)
	if x := v.Model.Shapes.SharedRowsOf(k.References); x != nil && x.Sentinel == "" {
		key = OwnerKey
	}
	at := slices.Index(k.RefColumns, key)
	if at < 0 {
		return false
	}
	owner := k.Columns[at]
	return owner == tenant || slices.ContainsFunc(t.Constraints, func(c catalog.Constraint) bool {
		if nobody != "" {
			wanted := v.spelled(OwnOrNobody(owner, tenant, nobody))
			return c.Type == catalog.Check && c.Validated && v.spelled(c.Definition) == wanted
		}
		return c.Type == catalog.ForeignKey && c.Validated && c.References == v.Model.Shapes.Tree.Closure() &&
			slices.Equal(c.Columns, []string{owner, tenant}) && slices.Equal(c.RefColumns, []string{"ancestor", "tenant"})
	})
}

// OwnOrNobody is the check that an owner is the row's tenant or nobody.
func OwnOrNobody(owner, tenant, nobody string) string {
	return "CHECK (" + sqltext.Ident(owner) + " = ANY (ARRAY[" + sqltext.Ident(tenant) + ", " + nobody + "]))"
}

// FindsOthers reports whether an index begins with a column by which the policies of a
// shape, or a key to rows that may be others', find rows: it does not begin with the
// tenant column, and should not.
func (v *View) FindsOthers(t *catalog.Relation, x *catalog.Index) bool {
	q, s, columns := t.QName(), &v.Model.Shapes, x.Columns()
	first := columns[0]
	switch {
	case first == "":
		return false
	case s.Tree != nil && q == v.Model.Tenants && first == s.Tree.Parent, s.Tree.IsFast(q) && first == catalog.Level:
		return true
	case s.PartiesOf(q) != nil && slices.Contains(s.PartiesOf(q).Reads, first):
		return true
	case s.ShareLinkOf(q) != nil && s.ShareLinkOf(q).With == first, s.SharesOf(q) != nil && s.SharesOf(q).Key == first:
		return true
	case s.LinkOf(q) != nil && s.LinkOf(q).Person == first:
		return true
	case s.Caller != nil && s.Caller.Table == q && s.Caller.Subject == first:
		return true
	}
	return slices.ContainsFunc(t.Constraints, func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && v.ReachesFurther(k.References) && k.Columns[0] == first
	})
}

// KeepsApart reports whether a unique key that lacks the tenant column compares no rows
// of different tenants all the same: it holds a tenant by another column (the owner of a
// row that may be everybody's, a party, the receiver of a share), or is about rows
// without a tenant only, which no tenant may write.
func (v *View) KeepsApart(t *catalog.Relation, x *catalog.Index) bool {
	q, s := t.QName(), &v.Model.Shapes
	has := func(column string) bool { return slices.Contains(x.Columns(), column) }
	return s.SharedRowsOf(q) != nil && has(OwnerKey) || s.PartiesOf(q) != nil && has(s.PartiesOf(q).Owner) ||
		s.ShareLinkOf(q) != nil && has(s.ShareLinkOf(q).With) ||
		slices.Contains(sqltext.Conjuncts(x.Predicate), sqltext.Ident(v.TenantColumn(t))+" IS NULL")
}

// Fixed are the columns of a table that the application must not update, for they decide
// whose a row is where more than one tenant sees it; nil where it may update all.
func (v *View) Fixed(t *catalog.Relation) []string {
	if tree := v.Model.Shapes.Tree; tree != nil && t.QName() == v.Model.Tenants {
		return []string{v.Model.Key, tree.Parent, catalog.Level}
	}
	return v.fixed(t)
}

// NamesNobody reports whether a text names nobody as moat writes it.
func (v *View) NamesNobody(t *catalog.Relation, text string) bool {
	for i := range v.Model.Shapes.SharedRows {
		parent := v.Relation(v.Model.Shapes.SharedRows[i].Table)
		if parent == nil {
			continue
		}
		literal, _, _ := strings.Cut(v.Nobody(parent), "::")
		if strings.Contains(text, strings.Trim(literal, "'")) && literal != "''" && literal != "0" {
			return true
		}
	}
	return false
}
