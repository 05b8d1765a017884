package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// inexact reports whether a policy cannot tell the values of a tenant column apart.
func (p *planner) inexact(col *catalog.Column) bool {
	return !policy.Comparable(p.BaseType(col.Type)) || p.Loose(col) != ""
}

// askType asks about a tenant column whose values a policy cannot tell apart: a wall
// over it would be none.
func (p *planner) askType(t *table, col *catalog.Column) {
	q := t.rel.QName()
	typ, _ := p.exactType(col)
	d := Decision{ID: "type/" + key(q), Table: q, Object: col.Name,
		Question: fmt.Sprintf("Column %s has type %s. May it become %s?", col.Name, col.Type, typ),
		Why: "Equality of this type is not exact, or an index on it cannot be used under row-level security: " +
			"a policy would mix tenants or read the whole table. The statements rewrite the tables and keep readers and " +
			"writers out meanwhile."}
	if why := p.Loose(col); policy.Comparable(t.typ) && why != "" {
		d.Question = fmt.Sprintf("May column %s get a deterministic collation?", col.Name)
		d.Why = why + ". Values that differ count as equal under it, so a policy would take two tenants for one. " +
			"First make sure that no two tenants differ in that only."
	}
	d.SQL = p.retype(t.rel, col)
	p.decide(d)
}

// exactType is the type that a column should have, and the expression that its values
// become by.
func (p *planner) exactType(col *catalog.Column) (typ, using string) {
	name := sqltext.Ident(col.Name)
	switch base := p.BaseType(col.Type); {
	case col.TypeName.Name == "citext":
		return "text", "lower(" + name + "::text)"
	case strings.HasPrefix(base, "numeric"):
		return "bigint", name + "::bigint"
	case policy.Comparable(base) && col.TypeName.Name != "bpchar":
		return col.Type + ` COLLATE "default"`, name
	}
	return "text", name + "::text"
}

// retype changes every tenant column of inexact type at once: a key cannot compare the
// old type with the new. rel is changed even where no key ties it to the others.
func (p *planner) retype(rel *catalog.Relation, col *catalog.Column) []string {
	var drop, alter, add []string
	change := func(r *catalog.Relation, c *catalog.Column) {
		typ, using := p.exactType(c)
		alter = append(alter, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s", r.QName().SQL(),
			sqltext.Ident(c.Name), typ, using))
		for _, k := range r.Constraints {
			if k.Type == catalog.ForeignKey && slices.Contains(k.Columns, c.Name) && !k.Inherited {
				drop = append(drop, dropConstraint(r.QName(), k.Name))
				add = append(add, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", r.QName().SQL(), sqltext.Ident(k.Name),
					k.Definition))
			}
		}
	}
	for _, tm := range p.m.Tables {
		r := p.Relation(tm.Table)
		if r == nil || r == rel || r.Partition || tm.Column == "" {
			continue
		}
		if c := r.Column(tm.Column); c != nil && p.inexact(c) {
			change(r, c)
		}
	}
	change(rel, col)
	return slices.Concat(drop, alter, add)
}
