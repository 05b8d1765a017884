package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// classify turns the model's classes into the tables the plan works on.
func (p *planner) classify() {
	var children []catalog.TableModel
	for _, tm := range p.m.Tables {
		rel := p.Relation(tm.Table)
		if rel == nil || rel.Partition || rel.Extension != "" || tm.Table.Schema == Schema {
			continue
		}
		switch tm.Class {
		case catalog.TenantTable, catalog.TenantsTable:
			p.tenantTable(rel, tm)
		case catalog.ChildTable:
			// An inheritance child follows its parent.
			if len(rel.ParentNames) == 0 {
				children = append(children, tm)
			}
		case catalog.SharedTable:
			p.sharedTable(rel, tm)
		case catalog.UnknownTable:
			p.unknown(rel, tm)
		}
	}
	p.children(children)
	p.inheritance()
	p.openSources()
	p.order()
}

func (p *planner) tenantTable(rel *catalog.Relation, tm catalog.TableModel) {
	col := rel.Column(tm.Column)
	if col == nil || rel.Kind == catalog.ForeignTable {
		p.unknown(rel, tm)
		return
	}
	t := &table{rel: rel, class: tm.Class, column: tm.Column, typ: p.BaseType(col.Type),
		open: !col.NotNull && !p.nobodys(rel)}
	loose := p.Loose(col) != "" && p.isolatingPolicy(t) == ""
	if !policy.Comparable(t.typ) || loose {
		p.askType(t, col)
		return
	}
	p.keep(t)
}

// sharedTable keeps a table whose sharing was said or shows in the grants of today, unless
// it lists people: those of one tenant are hardly meant for every other. That nobody may
// write to a table says nothing yet of who may read it.
func (p *planner) sharedTable(rel *catalog.Relation, tm catalog.TableModel) {
	granted := slices.ContainsFunc(rel.Privileges, func(h catalog.Privilege) bool {
		return h.Name == "SELECT" && h.Grantee != rel.Owner && (h.Grantee == "" || slices.Contains(p.m.Roles, h.Grantee))
	})
	said := slices.Contains(p.c.Shared, key(tm.Table))
	people := p.peopleIn(rel)
	if said || granted && people == "" {
		p.shared = append(p.shared, rel)
		return
	}
	if granted {
		tm.Why += ", but " + people
	}
	p.unknown(rel, tm)
}

// peopleIn says why a table seems to list people, "" when nothing speaks for it.
func (p *planner) peopleIn(rel *catalog.Relation) string {
	for _, c := range rel.Columns {
		if policy.NamesPersonal(c.Name) {
			return "it has the column " + c.Name
		}
	}
	for _, ref := range p.References(rel.QName()) {
		t := p.Table(ref.From.QName())
		if t != nil && t.Class == catalog.TenantTable && policy.NamesPeople(rel.Name+" "+ref.From.Name) &&
			p.linksPeople(&table{rel: ref.From, class: t.Class, column: t.Column}) {
			return "the memberships in " + key(ref.From.QName()) + " refer to it"
		}
	}
	return ""
}

// untilDecided says what the application role may do meanwhile.
func (p *planner) untilDecided(rel *catalog.Relation) string {
	app := p.c.Roles.Application
	if p.Role(app) != nil && slices.ContainsFunc(dml(), func(verb string) bool {
		return p.HasTablePrivilege(app, rel, verb)
	}) {
		return "Until you decide, " + app + " keeps the rights that it has on it."
	}
	return "Until you decide, the application role gets no privileges on it."
}

func (p *planner) keep(t *table) {
	p.byName[t.rel.QName()] = t
	p.tables = append(p.tables, t)
}

// children resolves child tables parents first: a grandchild's column comes from
// the child's, which may itself be planned.
func (p *planner) children(models []catalog.TableModel) {
	pending := models
	for len(pending) > 0 {
		later := list.Filter(pending, func(tm catalog.TableModel) bool { return !p.child(tm) })
		if len(later) == len(pending) {
			break
		}
		pending = later
	}
	for _, tm := range pending {
		p.askPath(tm, "the table it leads to is itself waiting for a decision")
	}
}

// child adds one child table; false means that its parent is not resolved yet.
func (p *planner) child(tm catalog.TableModel) bool {
	if x := p.m.Shapes.OwnedByOf(tm.Table); x != nil {
		return p.owned(p.Relation(tm.Table), x)
	}
	first, why := p.firstStep(tm)
	if why != "" {
		p.askPath(tm, why)
		return true
	}
	parent := p.byName[first.To]
	if parent == nil {
		return !p.pendingChild(first.To)
	}
	rel := p.Relation(tm.Table)
	if rel.Kind == catalog.ForeignTable {
		p.unknown(rel, tm)
		return true
	}
	typ := parent.typ
	t := &table{rel: rel, class: catalog.TenantTable, column: p.m.Column, typ: typ, missing: true, open: true,
		source: &source{constraint: first.Constraint, columns: first.Columns, parent: parent, refColumns: first.RefColumns}}
	p.plan.Chosen[key(tm.Table)] = first.Constraint
	p.keep(t)
	return true
}

// pendingChild reports whether the model has a child table of this name that may
// still be resolved.
func (p *planner) pendingChild(q catalog.QName) bool {
	return slices.ContainsFunc(p.m.Tables, func(tm catalog.TableModel) bool {
		return tm.Table == q && tm.Class == catalog.ChildTable
	})
}

// firstStep picks the foreign key that a child's tenant comes through, or says why
// none can be picked without guessing.
func (p *planner) firstStep(tm catalog.TableModel) (catalog.Step, string) {
	if chosen, ok := p.c.Paths[key(tm.Table)]; ok {
		if step, ok := p.foreignKeyStep(tm.Table, chosen); ok {
			return step, ""
		}
		return catalog.Step{}, fmt.Sprintf("the configured path %q is not a foreign key of the table", chosen)
	}
	firsts := firstSteps(tm)
	if x := p.m.Shapes.ShareLinkOf(tm.Table); x != nil { // a share is its row's owner's
		firsts = slices.DeleteFunc(firsts, func(s catalog.Step) bool { return s.To != x.Table || s.Columns[0] != x.Row })
	}
	var always []catalog.Step // never NULL
	for _, step := range firsts {
		if !step.Nullable {
			always = append(always, step)
		}
	}
	switch {
	case len(firsts) == 0:
		return catalog.Step{}, "no foreign key leads from it to a tenant"
	case len(firsts) == 1: // rows where it is NULL are asked about
		return firsts[0], ""
	case len(always) > 0 && !slices.ContainsFunc(firsts, p.namesTenant):
		// Each of them will carry the tenant, so that all agree, and rows where they do not
		// are asked about.
		return always[0], ""
	}
	return catalog.Step{}, fmt.Sprintf("%d foreign keys lead to a tenant", len(firsts))
}

// firstSteps are the foreign keys that a table's ways to a tenant begin with, each once.
func firstSteps(tm catalog.TableModel) []catalog.Step {
	var firsts []catalog.Step
	for _, path := range tm.Paths {
		same := func(s catalog.Step) bool { return s.Constraint == path[0].Constraint }
		if len(path) > 0 && !slices.ContainsFunc(firsts, same) {
			firsts = append(firsts, path[0])
		}
	}
	return firsts
}

// namesTenant reports whether a key leads to the tenants table itself: it may name the
// receiver of a share and not the owner of the row.
func (p *planner) namesTenant(s catalog.Step) bool { return s.To == p.m.Tenants }

func (p *planner) foreignKeyStep(q catalog.QName, constraint string) (catalog.Step, bool) {
	rel := p.Relation(q)
	for _, k := range rel.Constraints {
		if k.Type == catalog.ForeignKey && k.Name == constraint {
			return catalog.Step{From: q, Constraint: k.Name, Columns: k.Columns, To: k.References, RefColumns: k.RefColumns},
				true
		}
	}
	return catalog.Step{}, false
}

func (p *planner) askPath(tm catalog.TableModel, why string) {
	q := key(tm.Table)
	p.decide(Decision{ID: "path/" + q, Table: tm.Table,
		Question: "Which foreign key of " + q + " leads to the tenant of a row?",
		Why:      "The table has no tenant column, and " + why + ". " + tm.Why + ".",
		Config:   strings.Join(p.pathAnswers(q, firstSteps(tm)), "\n")})
}

func (p *planner) unknown(rel *catalog.Relation, tm catalog.TableModel) {
	if rel.Kind == catalog.ForeignTable {
		p.decide(Decision{ID: "foreign/" + key(tm.Table), Table: tm.Table,
			Question: "Who may read this foreign table?",
			Why: "PostgreSQL has no row-level security for foreign tables: a role with SELECT reads every tenant's rows. " +
				"The application role gets no privileges on it.",
			SQL: []string{fmt.Sprintf("REVOKE ALL ON %s FROM PUBLIC, %s", rel.QName().SQL(),
				sqltext.Ident(p.c.Roles.Application))},
			Config: fmt.Sprintf("tables: {shared: [%s]}", key(tm.Table))})
		return
	}
	if p.askOwned(rel, tm) || p.askPeople(rel, tm) {
		return
	}
	why := tm.Why
	sql, columns, gone := p.unkeyed(rel)
	if len(sql) > 0 {
		why += fmt.Sprintf(". By the %s, %s %s: with such a foreign key, a row belongs to the tenant of the row that it "+
			"refers to%s", english.Plural(len(columns), "name"), english.And(columns),
			english.Plural(len(columns), "refers to a table of tenants", "refer to tables of tenants"), gone)
	}
	p.decide(Decision{ID: "class/" + key(tm.Table), Table: tm.Table,
		Question: "Do all tenants share " + key(tm.Table) + ", or is its tenant column missing?",
		Why:      why + ". " + p.untilDecided(rel), SQL: sql,
		Config: strings.Join(p.unknownAnswers(rel), "\n")})
}

// inheritance links inheritance children (not partitions) to their parents: the
// parent's ADD COLUMN and NOT NULL reach them, its rows, triggers, foreign keys
// and policies do not.
func (p *planner) inheritance() {
	for found := true; found; {
		found = false
		for rel := range catalog.Each(p.s.Relations) {
			if !rel.Partition && rel.Kind == catalog.Table && len(rel.ParentNames) > 0 && p.inheritOne(rel) {
				found = true
			}
		}
	}
}

// inheritOne links one child; false when there is nothing new to link.
func (p *planner) inheritOne(rel *catalog.Relation) bool {
	parent, t := p.byName[rel.ParentNames[0]], p.byName[rel.QName()]
	if parent == nil || (t != nil && t.inherits != nil) {
		return false
	}
	if t == nil {
		t = &table{rel: rel, class: catalog.TenantTable, column: parent.column, typ: parent.typ,
			missing: rel.Column(parent.column) == nil, open: parent.open}
		p.withdrawQuestions(rel.QName())
		p.keep(t)
	}
	t.inherits = parent
	if t.source == nil && t.open {
		t.source = parent.source
	}
	return true
}

// withdrawQuestions takes back what was asked about a table before it was known to
// be an inheritance child of a tenant table.
func (p *planner) withdrawQuestions(q catalog.QName) {
	p.plan.Decisions = slices.DeleteFunc(p.plan.Decisions, func(d Decision) bool {
		return d.Table == q && (d.ID == "class/"+key(q) || d.ID == "path/"+key(q))
	})
}

// openSources finds, for columns that are there but may be NULL, the one foreign
// key to fill them through. Without exactly one, rows with NULL stop the NOT NULL
// step later; they are never guessed.
func (p *planner) openSources() {
	for _, t := range p.tables {
		if t.missing || !t.open || t.source != nil || t.class == catalog.TenantsTable {
			continue
		}
		var found []*source
		if x := p.m.Shapes.OwnedByOf(t.rel.QName()); x != nil && p.byName[x.By.Relation] != nil {
			t.source = p.ownerSource(x, p.byName[x.By.Relation])
			continue
		}
		for _, k := range t.rel.Constraints {
			if s := p.sourceOf(t, k); s != nil {
				found = append(found, s)
			}
		}
		if len(found) == 1 {
			t.source = found[0]
			p.plan.Chosen[key(t.rel.QName())] = found[0].constraint
		}
	}
}

// sourceOf returns the source that foreign key k gives for t's column, if it may.
// A composite key that has the tenant already counts without it.
func (p *planner) sourceOf(t *table, k catalog.Constraint) *source {
	parent := p.byName[k.References]
	if k.Type != catalog.ForeignKey || parent == nil || parent == t {
		return nil
	}
	chosen, asked := p.c.Paths[key(t.rel.QName())]
	if asked && chosen != k.Name {
		return nil
	}
	s := &source{constraint: k.Name, parent: parent}
	for i, c := range k.Columns {
		if c == t.column {
			continue
		}
		if col := t.rel.Column(c); col == nil || (!col.NotNull && !asked) {
			return nil
		}
		s.columns = append(s.columns, c)
		s.refColumns = append(s.refColumns, k.RefColumns[i])
	}
	if len(s.columns) == 0 {
		return nil
	}
	return s
}

// order sorts tables so that a source and an inheritance parent come before what
// depends on them; within that, by name.
func (p *planner) order() {
	slices.SortFunc(p.tables, func(a, b *table) int {
		return strings.Compare(key(a.rel.QName()), key(b.rel.QName()))
	})
	var sorted []*table
	state := map[*table]int{}
	var visit func(t *table)
	visit = func(t *table) {
		if t == nil || state[t] != 0 {
			return
		}
		state[t] = 1
		if t.source != nil {
			visit(t.source.parent)
		}
		visit(t.inherits)
		sorted = append(sorted, t)
	}
	for _, t := range p.tables {
		visit(t)
	}
	p.tables = sorted
}
