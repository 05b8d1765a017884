package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Blocker is a table in which rows that are not the tenant's refer to it or to rows of it.
type Blocker struct {
	Table string `json:"table"`
	By    string `json:"by"` // the foreign key, or the column
	To    string `json:"to"`
	Rows  int64  `json:"rows"`
}

// BlockedError says that rows of others refer to what would be erased. Nothing was done.
type BlockedError struct{ Blockers []Blocker }

func (e *BlockedError) Error() string {
	return "rows of others refer to rows of this tenant:\n  " + list.Join(e.Blockers, "\n  ", func(b Blocker) string {
		return fmt.Sprintf("%s of %s that %s not the tenant's (%s) to %s", english.Count(b.Rows, "row"), b.Table,
			english.Plural(b.Rows, "is", "are"), b.By, b.To)
	})
}

// blockers counts the rows of others that refer to rows of the parts.
func (o *Operator) blockers(ctx context.Context, tenant string, all []*part) ([]Blocker, error) {
	var found []Blocker
	for _, q := range o.referrers(tenant, all) {
		if err := o.conn.QueryRow(ctx, q.sql).Scan(&q.Rows); err != nil {
			return nil, fmt.Errorf("look for rows of others in %s: %w", q.Table, err)
		}
		if q.Rows > 0 {
			found = append(found, q.Blocker)
		}
	}
	return found, nil
}

// referrer is where rows of others may refer to a tenant's, and the query that counts them.
type referrer struct {
	Blocker
	sql string
}

func (o *Operator) referrers(tenant string, all []*part) []referrer {
	var out []referrer
	for _, l := range links(o.view, all) {
		from := find(o.view, all, l.from.QName())
		if from != nil && o.carries(from, l) || l.from.Schema == "moat" || owns(l) {
			continue // moat's own follow the tenant, and owners are counted below
		}
		sql := "SELECT count(*) FROM " + l.from.QName().SQL() + " f WHERE EXISTS (SELECT 1 FROM " + l.to.from() + " WHERE " +
			joined("x", l.key.RefColumns, "f", l.key.Columns) + " AND " + l.to.where() + ")" + notOf(from)
		out = append(out, referrer{Blocker{l.from.QName().String(), l.key.Name, l.to.name().String(), 0}, sql})
	}
	out = append(out, o.owners(all)...)
	for _, n := range o.naming() {
		from := find(o.view, all, n.Relation)
		sql := "SELECT count(*) FROM " + n.Relation.SQL() + " f WHERE " + named(o.view.Relation(n.Relation), n.Column, o,
			tenant) + notOf(from)
		out = append(out, referrer{Blocker{n.Relation.String(), n.Column, "the tenant", 0}, sql})
	}
	return out
}

// owns reports whether a key is the one by which rows are owned.
func owns(l link) bool {
	return l.to.owned != nil && l.from.QName() == l.to.owned.By.Relation &&
		slices.Equal(l.key.Columns, []string{l.to.owned.By.Column})
}

// owners finds rows of others that own a row which the tenant owns as well: there need not
// be a foreign key between them.
func (o *Operator) owners(all []*part) (out []referrer) {
	for _, p := range all {
		if p.owned == nil {
			continue
		}
		by := p.owned.By
		sql := "SELECT count(*) FROM " + by.Relation.SQL() + " f WHERE EXISTS (SELECT 1 FROM " + p.from() + " WHERE " +
			joined("x", []string{p.owned.Key}, "f", []string{by.Column}) + " AND " + p.where() + ")" +
			notOf(find(o.view, all, by.Relation))
		out = append(out, referrer{Blocker{by.Relation.String(), by.Column, p.name().String(), 0}, sql})
	}
	return out
}

func named(r *catalog.Relation, column string, o *Operator, tenant string) string {
	return "f." + sqltext.Ident(column) + equals + literal(o.view, tenant, r.Column(column).Type)
}

// notOf excludes the tenant's own rows of a part; nil is a table in which there are none.
func notOf(p *part) string {
	if p == nil {
		return ""
	}
	return " AND (" + p.is("f") + ") IS NOT TRUE"
}

// carries reports whether a key holds the tenant on both sides, so that no row of another
// tenant can refer by it.
func (o *Operator) carries(from *part, l link) bool {
	for i, column := range l.key.Columns {
		if column == o.view.TenantColumn(from.table) && l.key.RefColumns[i] == o.view.TenantColumn(l.to.table) &&
			l.to.name() != o.view.Model.Tenants {
			return true
		}
	}
	return false
}

// naming are the columns, beside the tenant column, that name a tenant without a foreign
// key: the other parties of a row, the receivers of a share, the parent in the tree.
func (o *Operator) naming() []catalog.ColumnRef {
	var all []catalog.ColumnRef
	s := &o.view.Model.Shapes
	for _, p := range s.Parties {
		for _, column := range p.Reads {
			all = append(all, catalog.ColumnRef{Relation: p.Table, Column: column})
		}
	}
	for _, x := range s.Shares {
		all = append(all, catalog.ColumnRef{Relation: x.Through, Column: x.With})
	}
	if s.Tree != nil {
		all = append(all, catalog.ColumnRef{Relation: o.view.Model.Tenants, Column: s.Tree.Parent})
	}
	return slices.DeleteFunc(all, func(n catalog.ColumnRef) bool {
		return slices.ContainsFunc(o.view.Relation(n.Relation).Constraints, func(k catalog.Constraint) bool {
			return k.Type == catalog.ForeignKey && slices.Equal(k.Columns, []string{n.Column}) &&
				k.References == o.view.Model.Tenants
		})
	})
}
