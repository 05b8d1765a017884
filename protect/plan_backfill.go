package protect

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// backfills plans the filling of every tenant column that may hold NULL, and then
// NOT NULL by a validated check: SET NOT NULL alone would scan the table under a
// lock that keeps readers out.
func (p *planner) backfills() {
	for _, t := range p.tables {
		if t.open && t.source != nil {
			p.backfill(t)
			p.askFill(t)
		}
	}
	for _, t := range p.tables {
		if t.open && t.class == catalog.TenantTable && (t.inherits == nil || !t.inherits.open) {
			p.notNull(t)
		}
	}
}

func (p *planner) backfill(t *table) {
	q := t.rel.QName()
	b := &Backfill{Table: q, Column: t.column, Set: t.source.selectTenant("c")}
	for _, leaf := range p.physical(t.rel) {
		b.Parts = append(b.Parts, Part{Table: leaf.QName(), Key: walked(leaf)})
	}
	hazards := []string{"each batch locks the rows it fills until it commits"}
	if !p.user.Super && len(t.rel.Triggers) > 0 {
		hazards = append(hazards, "the table's UPDATE triggers fire for every row: only a superuser can suppress them")
	}
	p.add(Step{ID: stepID(GroupBackfill, q, "fill"), Group: GroupBackfill, Kind: KindBackfill, Table: q, Backfill: b,
		Data:  true,
		Title: "fill " + t.column + " from " + key(t.source.parent.rel.QName()),
		SQL:   []string{b.batchSQL(b.Parts[0], "…")},
		Lock:  RowExclusive, Scans: true, Estimate: p.sizeOf(t.rel, 20_000), Hazards: hazards,
		Reason: "existing rows get the tenant of the row they refer to"})
}

// partitions returns every partition below a relation, the nearest first.
func (p *planner) partitions(rel *catalog.Relation) []*catalog.Relation {
	if rel.Kind != catalog.PartitionedTable {
		return nil
	}
	return p.Descendants(rel)
}

// physical returns the tables that hold a relation's rows.
func (p *planner) physical(rel *catalog.Relation) []*catalog.Relation {
	isParent := func(r *catalog.Relation) bool { return r.Kind == catalog.PartitionedTable }
	return slices.DeleteFunc(append([]*catalog.Relation{rel}, p.partitions(rel)...), isParent)
}

// walked is the key that a backfill walks a table by.
func walked(rel *catalog.Relation) []Key {
	var keys []Key
	keys = append(keys, list.Map(rel.PrimaryKey(), func(c string) Key { return Key{c, rel.Column(c).Type} })...)
	return keys
}

// notNullCheck is the constraint that carries NOT NULL until SET NOT NULL can use
// it instead of a scan.
const notNullCheck = "moat_tenant_not_null"

func (p *planner) notNull(t *table) {
	q, group := t.rel.QName(), GroupBackfill
	if p.m.Shapes.OwnedByOf(q) != nil {
		group = GroupEnforce // until then writers put the row in before the one that says whose it is
	}
	existing := t.rel.Constraint(notNullCheck)
	drop := fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", q.SQL(), notNullCheck)
	add := stepID(group, q, "not-null-check")
	if existing == nil {
		p.add(Step{ID: add, Group: group, Table: q, Title: "check that " + t.column + " is not NULL in new rows",
			SQL: []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID", q.SQL(),
				notNullCheck, sqltext.Ident(t.column))},
			Undo:  []string{drop},
			Check: p.nullCheck(t), Data: true, Lock: AccessExclusive,
			Hazards: []string{"from here on PostgreSQL rejects a row without a tenant"},
			Reason:  "a row without a tenant belongs to nobody, and a foreign key with a NULL in it is not checked"})
	}
	valid := stepID(group, q, "not-null-validate")
	if existing == nil || !existing.Validated {
		p.add(Step{ID: valid, Group: group, Kind: KindValidate, Table: q, Needs: needed(add), Title: "check that " +
			t.column + " is not NULL in existing rows",
			SQL:  []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", q.SQL(), notNullCheck)},
			Data: true, Lock: ShareUpdateExclusive, Scans: true, Estimate: p.sizeOf(t.rel, 2_000_000),
			Reason: "with a validated check, SET NOT NULL needs no scan"})
	}
	p.add(Step{ID: stepID(group, q, "not-null"), Group: group, Table: q, Needs: needed(valid),
		Title: "set " + t.column + " NOT NULL",
		SQL:   []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", q.SQL(), sqltext.Ident(t.column)), drop},
		Undo:  p.undoNotNull(t), Lock: AccessExclusive, Reason: "the validated check proves it, so no scan is needed"})
}

func notNullStep(t *table) string { return stepID(GroupBackfill, t.rel.QName(), "not-null") }

// undoNotNull also gives back NOT NULL to those partitions and children that had it
// of their own.
func (p *planner) undoNotNull(t *table) []string {
	undo := []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", t.rel.QName().SQL(),
		sqltext.Ident(t.column))}
	for _, d := range p.Descendants(t.rel) {
		if c := d.Column(t.column); c != nil && c.NotNull {
			undo = append(undo, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", d.QName().SQL(),
				sqltext.Ident(t.column)))
		}
	}
	return undo
}

// nullCheck counts rows that the backfill could not give a tenant.
func (p *planner) nullCheck(t *table) *Check {
	q := t.rel.QName()
	cond := "c." + sqltext.Ident(t.column) + " IS NULL"
	ck := &Check{ID: "null/" + key(q), Object: t.column, What: "rows of " + key(q) + " without a tenant",
		Count: countWhere(q.SQL()+" c", cond), Sample: sample(t.rel, q.SQL()+" c", cond)}
	if t.source != nil {
		ahead := p.tenantAhead(t, "c") + " IS NULL"
		ck.CountAhead, ck.SampleAhead = countWhere(q.SQL()+" c", ahead), sample(t.rel, q.SQL()+" c", ahead)
	}
	return ck
}

// strays looks for rows whose tenant is not in the tenants table: nobody sees them once
// policies are on. A foreign key to it says that there are none.
func (p *planner) strays() {
	tenants := p.byName[p.m.Tenants]
	if tenants == nil {
		return
	}
	for _, t := range p.tables {
		if t == tenants || t.missing || p.enforced(t) || p.keyedToTenants(t) || !sameFamily(t.typ, tenants.typ) {
			continue
		}
		q, own := t.rel.QName(), "c."+sqltext.Ident(t.column)
		cond := fmt.Sprintf("%s IS NOT NULL AND NOT EXISTS (SELECT FROM %s p WHERE p.%s = %s)", own, p.m.Tenants.SQL(),
			sqltext.Ident(tenants.column), own)
		p.plan.Strays = append(p.plan.Strays, Check{ID: "stray/" + key(q), Object: t.column, Table: q,
			What:  "rows of " + key(q) + " whose tenant is not in " + key(p.m.Tenants),
			Count: countWhere(q.SQL()+" c", cond), Sample: sample(t.rel, q.SQL()+" c", cond)})
	}
}

// keyedToTenants reports whether a validated key leads from the tenant column to the
// tenants table, by itself or by way of another tenant table's.
func (p *planner) keyedToTenants(t *table) bool {
	return slices.ContainsFunc(t.rel.Constraints, func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && k.Validated && k.References == p.m.Tenants &&
			slices.Equal(k.Columns, []string{t.column})
	})
}

// askStrays asks about the rows that were found.
func (p *planner) askStrays() {
	for ck := range catalog.Each(p.plan.Strays) {
		if f, ok := p.c.Stopped[ck.ID]; ok && f.Count > 0 {
			p.askStopped(ck, f, "row-level security", ck.Table)
		}
	}
}

func countWhere(from, cond string) string {
	return fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", from, cond)
}

// tenantAhead renders the tenant that row has, or will have once its column is
// added and filled.
func (p *planner) tenantAhead(t *table, row string) string {
	own := row + "." + sqltext.Ident(t.column)
	if t.source == nil || !t.open {
		return own
	}
	parent := row + "p"
	derived := fmt.Sprintf("(SELECT %s FROM %s %s WHERE %s%s)", p.tenantAhead(t.source.parent, parent),
		t.source.parent.rel.QName().SQL(), parent,
		sqltext.Pairs(parent, t.source.refColumns, row, t.source.columns), t.source.limit)
	if t.missing {
		return derived
	}
	return fmt.Sprintf("coalesce(%s, %s)", own, derived)
}

// sample selects up to twenty rows' primary keys as one text each.
func sample(rel *catalog.Relation, from, cond string) string {
	shown := list.Join(rel.PrimaryKey(), " || ', ' || ", func(c string) string {
		return fmt.Sprintf("%s || coalesce(c.%s::text, 'NULL')", sqltext.Literal(c+"="), sqltext.Ident(c))
	})
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY 1 LIMIT 20", cmp.Or(shown, "c.ctid::text"), from, cond)
}
