package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Rows that others' rows own: a document refers to its bytes, not the other way round. The
// table gets a tenant column as a child table does, but the rows that refer to it fill it:
// the bytes are there first, and their INSERT cannot know the document.

// owned adds a table whose rows belong to the tenant of the row that refers to them; false
// means that the referring table is not resolved yet.
func (p *planner) owned(rel *catalog.Relation, x *catalog.OwnedBy) bool {
	parent := p.byName[x.By.Relation]
	if parent == nil {
		return !p.pendingChild(x.By.Relation)
	}
	p.keep(&table{rel: rel, class: catalog.TenantTable, column: p.m.Column, typ: parent.typ, missing: true, open: true,
		source: p.ownerSource(x, parent)})
	return true
}

func (p *planner) ownerSource(x *catalog.OwnedBy, parent *table) *source {
	return &source{constraint: x.By.Column, columns: []string{x.Key}, parent: parent, refColumns: []string{x.By.Column},
		limit: " LIMIT 1"}
}

// stampTrigger is the trigger of the referring table that fills the tenant column of t. It
// fires after that which fills the referring table's own.
func stampTrigger(t *table) string {
	return sqltext.Name("_moat_stamp", t.rel.Schema, t.rel.Name)
}

// stampBody gives the row that is referred to the tenant of the row that refers to it.
// Whether another tenant's has it already is the key's to refuse.
func stampBody(t *table, x *catalog.OwnedBy, owner string) string {
	return fmt.Sprintf("\nBEGIN\n  UPDATE %[1]s c SET %[2]s = NEW.%[3]s\n    WHERE c.%[4]s = NEW.%[5]s AND "+
		"c.%[2]s IS NULL;\n  RETURN NEW;\nEND\n", t.rel.QName().SQL(), sqltext.Ident(t.column), sqltext.Ident(owner),
		sqltext.Ident(x.Key), sqltext.Ident(x.By.Column))
}

// ownedKeys ties the new column to the tenants there are, as the referring table's is: when a
// tenant goes, nothing else says that its bytes go too.
func (p *planner) ownedKeys() {
	for x := range catalog.Each(p.m.Shapes.OwnedBy) {
		t, parent := p.byName[x.Table], p.byName[x.By.Relation]
		if t == nil || parent == nil || t.rel.Kind == catalog.PartitionedTable {
			continue
		}
		for _, k := range parent.rel.Constraints {
			if !p.pointsAtTenant(parent, p.byName[k.References], k) {
				continue
			}
			p.constraint(reach{t: t}, sqltext.Name(t.rel.Name, t.column, "fkey"), fmt.Sprintf(
				"FOREIGN KEY (%s) REFERENCES %s (%s)%s", sqltext.Ident(t.column), p.m.Tenants.SQL(), sqltext.Ident(p.m.Key),
				onDelete(k)), nil, nil)
		}
	}
}

func onDelete(k catalog.Constraint) string {
	if k.OnDelete == "cascade" || k.OnDelete == "restrict" {
		return " ON DELETE " + strings.ToUpper(k.OnDelete)
	}
	return ""
}

// askOwned asks about a table that nothing leads from to a tenant, and that one column of a
// tenant table refers to.
func (p *planner) askOwned(rel *catalog.Relation, tm catalog.TableModel) bool {
	var by []catalog.Reference
	for _, ref := range p.References(rel.QName()) {
		link := p.Table(ref.From.QName())
		if ref.From == rel || link == nil || link.Class != catalog.TenantTable || len(ref.Key.Columns) != 1 {
			return false
		}
		by = append(by, ref)
	}
	if len(by) != 1 || !slices.ContainsFunc(existingUniques(by[0].From), func(key []string) bool {
		return slices.Equal(key, by[0].Key.Columns)
	}) {
		return false // many rows refer to one: it may well be everybody's
	}
	q, column := key(tm.Table), key(by[0].From.QName())+"."+by[0].Key.Columns[0]
	p.decide(Decision{ID: "class/" + q, Table: tm.Table,
		Question: fmt.Sprintf("Does a row of %s belong to the tenant of the row that refers to it by %s?", q, column),
		Why: tm.Why + ". Each row of " + key(by[0].From.QName()) + " has one of its own. Until you decide, the " +
			"application role gets no privileges on it.",
		Config: fmt.Sprintf("tables: {owned_by: {%[1]s: %[2]s}}\ntables: {shared: [%[1]s]}   # or: every tenant reads it\n"+
			"tables: {ignore: [%[1]s]}   # or: no tenant does", q, column)})
	return true
}
