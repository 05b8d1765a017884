package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// columns plans the tenant columns that are missing, their default, and the
// trigger that fills them for writers that do not know them.
func (p *planner) columns() {
	for _, t := range p.tables {
		switch {
		case t.missing:
			p.addColumn(t)
		case t.class == catalog.TenantTable:
			p.defaultFor(t)
			if t.open && t.source != nil && !p.hasTrigger(t) && !p.enforced(t) {
				p.fillTrigger(t)
			}
		}
	}
}

func (p *planner) addColumn(t *table) {
	q := t.rel.QName()
	var do, undo []string
	// The default comes in a second statement: given with ADD COLUMN it would be
	// evaluated now and stored for every existing row.
	if t.inherits == nil || !t.inherits.missing {
		do = append(do, fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", q.SQL(), sqltext.Ident(t.column), t.typ))
		undo = append(undo, fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", q.SQL(), sqltext.Ident(t.column)))
	}
	if current := p.Current(t.typ); current != "" {
		do = append(do, setDefault(q, t.column, current))
	}
	if len(undo) == 0 {
		undo = append(undo, dropDefault(q, t.column))
	}
	if t.source != nil {
		do = append(do, p.fillSQL(t)...)
		undo = append(p.undoFill(t), undo...)
	}
	p.add(Step{ID: stepID(GroupColumns, q, "add"), Group: GroupColumns, Table: q,
		Title: fmt.Sprintf("add column %s %s", t.column, t.typ),
		SQL:   do, Undo: undo, Lock: AccessExclusive, Estimate: p.sizeOf(t.rel, 0),
		Reason:  p.whyColumn(t),
		Hazards: []string{"SELECT * and INSERT without a column list see one more column"}})
}

func (p *planner) whyColumn(t *table) string {
	if t.source == nil {
		return "inherited from " + key(t.inherits.rel.QName())
	}
	return fmt.Sprintf("its rows belong to the tenant of %s, through %s; until group enforce, a trigger fills the "+
		"column for writers that do not know about it",
		key(t.source.parent.rel.QName()), t.source.constraint)
}

// defaultFor plans the default of a tenant column that has none. One of another
// kind is a question: a constant would put every row of an unaware writer into one
// tenant.
func (p *planner) defaultFor(t *table) {
	if p.Current(t.typ) == "" {
		return // a caller has several tenants: each row names its own
	}
	col := t.rel.Column(t.column)
	q := t.rel.QName()
	if !strings.Contains(col.Default, p.m.Setting) && p.fixedDefault(t) {
		return
	}
	if col.Default == "" && col.Generated == "" {
		p.add(Step{ID: stepID(GroupColumns, q, "default"), Group: GroupColumns, Table: q, Title: "default " + t.column +
			" to the current tenant",
			SQL: []string{setDefault(q, t.column, p.Current(t.typ))}, Undo: []string{dropDefault(q, t.column)},
			Lock: AccessExclusive, Reason: "an INSERT that omits the column then belongs to the current tenant"})
		return
	}
	if strings.Contains(col.Default, p.m.Setting) || col.Generated != "" {
		return
	}
	set := setDefault(q, t.column, p.Current(t.typ))
	if p.c.ReplaceDefaults {
		p.add(Step{ID: stepID(GroupColumns, q, "default"), Group: GroupColumns, Table: q, Title: "default " + t.column +
			" to the current tenant",
			SQL: []string{set}, Undo: []string{setDefault(q, t.column, col.Default)}, Lock: AccessExclusive,
			Hazards: []string{"until the application sets its tenant, an INSERT that omits the column has no tenant"},
			Reason:  "protect.replace_defaults: its default was " + col.Default})
		return
	}
	p.decide(Decision{ID: "default/" + key(q), Table: q, Object: t.column,
		Question: fmt.Sprintf("Column %s defaults to %s. Make the current tenant its default instead?", t.column,
			col.Default),
		Why: "When an INSERT omits the column, this default puts the row into a fixed tenant, or the policy refuses it.",
		SQL: []string{set}, Config: "protect: {replace_defaults: true}"})
}

// setDefault changes this table alone: partitions and inheritance children have
// defaults of their own.
func setDefault(q catalog.QName, column, expression string) string {
	return fmt.Sprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET DEFAULT %s", q.SQL(), sqltext.Ident(column), expression)
}

func dropDefault(q catalog.QName, column string) string {
	return fmt.Sprintf("ALTER TABLE ONLY %s ALTER COLUMN %s DROP DEFAULT", q.SQL(), sqltext.Ident(column))
}

// fillTriggerName sorts before any usual name: BEFORE triggers fire by name, and
// the others should see the tenant.
const fillTriggerName = "_moat_fill_tenant"

// filler is the trigger that fills t's tenant column, and the table that it stands on: t
// itself, or that whose rows own t's.
func (p *planner) filler(t *table) (on catalog.QName, name string) {
	if x := p.m.Shapes.OwnedByOf(t.rel.QName()); x != nil {
		return x.By.Relation, stampTrigger(t)
	}
	return t.rel.QName(), fillTriggerName
}

func (p *planner) hasTrigger(t *table) bool {
	on, name := p.filler(t)
	rel := p.Relation(on)
	return rel != nil && slices.ContainsFunc(rel.Triggers, func(x catalog.Trigger) bool { return x.Name == name })
}

func fillFunction(q catalog.QName) catalog.QName { return own(sqltext.Name("fill", q.Schema, q.Name)) }

func (p *planner) fillTrigger(t *table) {
	q := t.rel.QName()
	p.add(Step{ID: stepID(GroupColumns, q, "trigger"), Group: GroupColumns, Table: q,
		Title: "add a trigger that fills " + t.column,
		SQL:   p.fillSQL(t), Undo: p.undoFill(t), Lock: ShareRowExclusive, Reason: p.whyColumn(t)})
}

// fillSQL makes the trigger. Its function is SECURITY DEFINER because a writer need
// not be allowed to read the parent; it goes when the table is enforced.
func (p *planner) fillSQL(t *table) []string {
	f := fillFunction(t.rel.QName())
	on, name := p.filler(t)
	body := p.fillBody(t)
	if x := p.m.Shapes.OwnedByOf(t.rel.QName()); x != nil {
		body = stampBody(t, x, t.source.parent.column)
	}
	return []string{
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n  SET "+
			"search_path = pg_catalog, pg_temp AS %s", f.SQL(), sqltext.Dollar(body)),
		fmt.Sprintf("REVOKE ALL ON FUNCTION %s() FROM PUBLIC", f.SQL()),
		fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(name), on.SQL()),
		fmt.Sprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s()",
			sqltext.Ident(name), on.SQL(), f.SQL()),
	}
}

// fillBody gives a row the tenant of the row that it refers to.
func (p *planner) fillBody(t *table) string {
	moved := list.Join(t.source.columns, " OR ", func(c string) string {
		return fmt.Sprintf("NEW.%[1]s IS DISTINCT FROM OLD.%[1]s", sqltext.Ident(c))
	})
	return fmt.Sprintf(`
BEGIN
  IF NEW.%[1]s IS NULL THEN
    NEW.%[1]s := %[2]s;
  ELSIF TG_OP = 'UPDATE' THEN
    IF (%[3]s) AND NEW.%[1]s IS NOT DISTINCT FROM OLD.%[1]s THEN
      NEW.%[1]s := %[2]s;
    END IF;
  END IF;
  RETURN NEW;
END
`, sqltext.Ident(t.column), t.source.selectTenant("NEW"), moved)
}

func (p *planner) undoFill(t *table) []string {
	on, name := p.filler(t)
	return []string{
		fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(name), on.SQL()),
		fmt.Sprintf("DROP FUNCTION IF EXISTS %s()", fillFunction(t.rel.QName()).SQL()),
	}
}

// selectTenant renders the scalar sub-select with the tenant of the row called row.
func (s *source) selectTenant(row string) string {
	return fmt.Sprintf("(SELECT p.%s FROM %s p WHERE %s%s)", sqltext.Ident(s.parent.column), s.parent.rel.QName().SQL(),
		sqltext.Pairs("p", s.refColumns, row, s.columns), s.limit)
}

func stepID(g Group, q catalog.QName, what string) string {
	return string(g) + "/" + key(q) + "/" + what
}
