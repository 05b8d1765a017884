package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// indexes plans the indexes that start with the tenant: one for a foreign key that needs
// it, one in place of each index that finds several tenants' rows, and one at all. An index
// that starts with something else is useless once every query asks for one tenant,
// and it lets EXPLAIN count other tenants' rows.
func (p *planner) indexes() {
	for _, t := range p.tables {
		if t.class == catalog.TenantsTable {
			continue
		}
		wanted := p.wantedIndexes(t)
		for i, w := range wanted {
			if p.covered(t, w, wanted[:i], wanted[i+1:]) {
				continue
			}
			p.buildIndex(indexBuild{group: GroupIndexes, id: stepID(GroupIndexes, t.rel.QName(), strings.Join(w.label, ",")),
				rel: t.rel, name: p.indexName(t.rel, append(slices.Clone(w.label), "idx")),
				keys: w.keys, tail: w.tail, title: strings.Join(w.label, ", "), reason: w.reason})
		}
		p.uselessIndexes(t)
	}
}

// wantedIndex is an index that a tenant table should have.
type wantedIndex struct {
	columns    []string // plain key columns; nil when a key is an expression or not in default order
	label      []string
	keys, tail string
	replaces   string
	reason     string
}

func (p *planner) wantedIndexes(t *table) []wantedIndex {
	var wanted []wantedIndex
	for _, x := range t.rel.Indexes {
		if w, ok := p.tenantLed(t, x); ok && !p.FindsOthers(t.rel, &x) {
			wanted = append(wanted, w)
		}
	}
	for _, k := range t.rel.Constraints {
		if k.Type != catalog.ForeignKey || p.byName[k.References] == nil || k.Inherited || p.NamesOthers(t.rel, &k) ||
			p.ReachesFurther(k.References) || !p.followed(t, k) {
			continue
		}
		wanted = append(wanted, p.plainIndex(t, p.finds(t, k),
			"PostgreSQL follows the foreign key "+k.Name+" from its parent through it"))
	}
	return append(wanted, p.plainIndex(t, nil, "reads of one tenant use it"))
}

// followed reports whether the new key needs an index of its own: the team had one for the
// old key, so that deletes of the parent are quick, and it is gone or going.
func (p *planner) followed(t *table, k catalog.Constraint) bool {
	rest := p.finds(t, k)
	for _, x := range t.rel.Indexes {
		cols := plainColumns(x)
		if !x.Valid || x.Predicate != "" || len(rest) == 0 || len(cols) < len(rest) || !sameSet(cols[:len(rest)], rest) {
			continue
		}
		_, replaced := p.tenantLed(t, x)
		return replaced && p.c.DropIndexes
	}
	return k.OnDelete == "cascade" || k.OnDelete == "set null" || k.OnDelete == "set default"
}

// ofOneTenant reports whether the rows that an index finds by its first key are one
// tenant's anyway: they refer to one row of a tenant's. The index loses nothing then.
func (p *planner) ofOneTenant(t *table, x catalog.Index) bool {
	return slices.ContainsFunc(t.rel.Constraints, func(k catalog.Constraint) bool {
		parent := p.byName[k.References]
		return k.Type == catalog.ForeignKey && parent != nil && parent.class == catalog.TenantTable &&
			slices.Equal(p.finds(t, k), []string{x.Keys[0].Column})
	})
}

// finds are the columns by which a key finds rows: without those that only say whose they are.
func (p *planner) finds(t *table, k catalog.Constraint) []string {
	whose := []string{t.column}
	if x := p.m.Shapes.PartiesOf(t.rel.QName()); x != nil && p.m.Shapes.PartiesOf(k.References) != nil {
		whose = append(whose, x.Reads...)
	}
	return slices.DeleteFunc(slices.Clone(k.Columns), func(c string) bool { return slices.Contains(whose, c) })
}

func (p *planner) plainIndex(t *table, cols []string, reason string) wantedIndex {
	cols = append([]string{t.column}, cols...)
	return wantedIndex{columns: cols, label: cols, keys: "(" + sqltext.Idents(cols) + ")", reason: reason}
}

// tenantLed returns the tenant-led form of an index that has none, for B-trees: its
// own definition with the tenant column put first.
func (p *planner) tenantLed(t *table, x catalog.Index) (wantedIndex, bool) {
	if x.Unique || x.Constraint || x.Inherited || !x.Valid || len(x.Keys) == 0 || x.Keys[0].Column == t.column ||
		p.ofOneTenant(t, x) {
		return wantedIndex{}, false
	}
	if x.Method != "btree" && (x.Method != "hash" || !x.Keys[0].Leakproof) {
		return wantedIndex{}, false
	}
	_, def, ok := strings.Cut(x.Definition, " USING "+x.Method+" ")
	if !ok {
		return wantedIndex{}, false
	}
	w := wantedIndex{replaces: x.Name, label: []string{t.column}, columns: []string{t.column}, reason: "replaces " +
		x.Name + ", which does not start with the tenant column"}
	for _, k := range x.Keys {
		if k.Column == t.column {
			return wantedIndex{}, false
		}
		if k.Column == "" || k.Descending || k.NullsFirst {
			w.columns = nil
		}
		w.label = append(w.label, labelOf(k))
		if w.columns != nil {
			w.columns = append(w.columns, k.Column)
		}
	}
	keys, tail := splitKeys(def)
	if !defaultKeys(keys, x) {
		w.columns = nil
	}
	w.keys, w.tail = fmt.Sprintf("(%s, %s", sqltext.Ident(t.column), strings.TrimPrefix(keys, "(")), tail
	if tail != "" {
		w.columns = nil
	}
	return w, true
}

func labelOf(k catalog.IndexKey) string {
	if k.Column != "" {
		return k.Column
	}
	return "expr"
}

// defaultKeys reports whether the keys are plain column names: no operator class,
// collation or order of their own.
func defaultKeys(keys string, x catalog.Index) bool {
	cols := plainColumns(x)
	return cols != nil && keys == "("+sqltext.Idents(cols)+")"
}

// splitKeys cuts "(a, lower(b)) INCLUDE (c) WHERE …" behind the key list.
func splitKeys(def string) (keys, tail string) {
	depth, quoted := 0, byte(0)
	for i := 0; i < len(def); i++ {
		c := def[i]
		switch {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '\'' || c == '"':
			quoted = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return def[:i+1], def[i+1:]
			}
		}
	}
	return def, ""
}

// covered reports whether an index that is there, or is wanted anyway, serves what
// w is for.
func (p *planner) covered(t *table, w wantedIndex, before, after []wantedIndex) bool {
	if w.columns == nil {
		return slices.ContainsFunc(t.rel.Indexes, func(x catalog.Index) bool { return x.Valid && definedAs(x, w) }) ||
			slices.ContainsFunc(before, func(o wantedIndex) bool { return o.keys == w.keys && o.tail == w.tail })
	}
	for _, x := range t.rel.Indexes {
		cols := plainColumns(x)
		if x.Valid && x.Method == "btree" && x.Predicate == "" && cols != nil && prefixOf(w.columns, cols) &&
			servesKeys(x, len(w.columns)) {
			return true
		}
	}
	for _, u := range t.uniques {
		if prefixOf(w.columns, u) {
			return true
		}
	}
	covers := func(o wantedIndex) bool { return o.columns != nil && prefixOf(w.columns, o.columns) }
	longer := func(o wantedIndex) bool { return covers(o) && len(o.columns) > len(w.columns) }
	return slices.ContainsFunc(before, covers) || slices.ContainsFunc(after, longer)
}

func servesKeys(x catalog.Index, n int) bool {
	return !slices.ContainsFunc(x.Keys[:n], func(k catalog.IndexKey) bool { return k.Descending || k.NullsFirst })
}

func definedAs(x catalog.Index, w wantedIndex) bool {
	_, def, ok := strings.Cut(x.Definition, " USING btree ")
	return ok && def == w.keys+w.tail
}

// uselessIndexes names the indexes that lose their use, and drops those that a
// tenant-led one replaces when the configuration says so.
func (p *planner) uselessIndexes(t *table) {
	for _, x := range t.rel.Indexes {
		w, replaced := p.tenantLed(t, x)
		if !replaced || p.FindsOthers(t.rel, &x) {
			continue
		}
		q := catalog.QName{Schema: t.rel.Schema, Name: x.Name}
		if !p.c.DropIndexes || t.rel.Kind == catalog.PartitionedTable {
			p.decide(Decision{ID: "index/" + q.String(), Table: t.rel.QName(), Object: x.Name,
				Question: "Drop index " + x.Name + "?",
				Why: fmt.Sprintf("The index on (%s) serves the same queries. This one still slows down every write, and "+
					"EXPLAIN (ANALYZE) through it counts other tenants' rows.", strings.Join(w.label, ", ")),
				SQL: []string{dropIndexSQL(t.rel, q)}, Config: "protect: {drop_replaced_indexes: true}"})
			continue
		}
		p.add(Step{ID: stepID(GroupIndexes, t.rel.QName(), x.Name+"/drop"), Group: GroupIndexes, Kind: KindConcurrent,
			Table: t.rel.QName(),
			Title: "drop index " + x.Name, SQL: []string{dropIndexSQL(t.rel, q)},
			Undo:     []string{rebuild(x)},
			Remember: []string{commentOnIndex(q)},
			Lock:     ShareUpdateExclusive, Reason: "the index on (" + strings.Join(w.label, ", ") +
				") serves the same queries"})
	}
}

// rebuild creates an index again as it was, while writers carry on.
func rebuild(x catalog.Index) string {
	return strings.Replace(x.Definition, "INDEX ", "INDEX CONCURRENTLY IF NOT EXISTS ", 1)
}

func dropIndexSQL(rel *catalog.Relation, q catalog.QName) string {
	if rel.Kind == catalog.PartitionedTable {
		return "DROP INDEX " + q.SQL()
	}
	return "DROP INDEX CONCURRENTLY IF EXISTS " + q.SQL()
}

func commentOnIndex(q catalog.QName) string {
	return fmt.Sprintf("SELECT format('COMMENT ON INDEX %%s IS %%L', d.objoid::regclass, d.description) FROM "+
		"pg_catalog.pg_description d "+
		"WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND d.objoid = %s::regclass",
		sqltext.Literal(q.SQL()))
}

// tenantUnique replaces a global unique that the configuration lists by one that
// starts with the tenant.
func (p *planner) tenantUnique(t *table, x catalog.Index) {
	q := t.rel.QName()
	full := key(q) + "." + x.Name
	resting, why := p.restingOn(t, x)
	if why != "" {
		p.decide(Decision{ID: "unique/" + full, Table: q, Object: x.Name, Question: "How should " + x.Name +
			" become unique within each tenant?", Why: why})
		return
	}
	if x.Primary {
		p.tenantPrimary(t, x, resting)
		return
	}
	_, def, ok := strings.Cut(x.Definition, " USING "+x.Method+" ")
	if !ok {
		return
	}
	keys, tail := splitKeys(def)
	keys = fmt.Sprintf("(%s, %s", sqltext.Ident(t.column), strings.TrimPrefix(keys, "("))
	label := []string{t.column}
	label = append(label, list.Map(x.Keys, labelOf)...)
	b := indexBuild{group: GroupKeys, id: stepID(GroupKeys, q, "unique("+strings.Join(label, ",")+")"), rel: t.rel,
		unique: true, constraint: x.Constraint,
		keys: keys, tail: tail, deferrable: deferral(t.rel, x), title: "unique " + strings.Join(label, ", "),
		reason: "protect.tenant_led_uniques lists " + x.Name}
	b.constraint = b.constraint && t.rel.Kind != catalog.PartitionedTable
	p.buildUnique(t, &b, label)
	p.dropUnique(t, x, b, append(resting, b.id))
}

// buildUnique goes on from where an interrupted run left a constraint: its name is ours
// until it takes over that of the old one. A team's own index serves as it is.
func (p *planner) buildUnique(t *table, b *indexBuild, label []string) {
	name := uniqueName(t.rel, label)
	if b.constraint {
		name = uniqueName(t.rel, append(slices.Clone(label), ours))
	}
	begun := indexNamed(t.rel, name)
	switch {
	case b.constraint && begun != nil && begun.Valid:
		b.name = name
		if !begun.Constraint {
			p.uniqueConstraint(*b, name, "")
		}
	case p.hasIndexLike(t, b.keys+b.tail):
		b.constraint = false
	default:
		b.name = p.freeIndex(t.rel, name)
		p.buildIndex(*b)
	}
}

// deferral is the clause that a unique constraint ends with.
func deferral(rel *catalog.Relation, x catalog.Index) string {
	for _, k := range rel.Constraints {
		if k.Index == x.Name && k.Deferrable && k.Deferred {
			return " DEFERRABLE INITIALLY DEFERRED"
		}
		if k.Index == x.Name && k.Deferrable {
			return " DEFERRABLE"
		}
	}
	return ""
}

func (p *planner) hasIndexLike(t *table, def string) bool {
	return slices.ContainsFunc(t.rel.Indexes, func(x catalog.Index) bool {
		_, have, ok := strings.Cut(x.Definition, " USING btree ")
		return x.Valid && x.Unique && ok && have == def
	})
}

// restingOn returns the steps that end the foreign keys which rest on a unique index, or
// says what keeps it: the server would refuse to drop it.
func (p *planner) restingOn(t *table, x catalog.Index) (steps []string, why string) {
	for _, ref := range p.References(t.rel.QName()) {
		// The catalog names the index of a key's own only: any over these columns may be it.
		if ref.Key.Inherited || !sameSet(ref.Key.RefColumns, plainColumns(x)) {
			continue
		}
		drop := stepID(GroupKeys, ref.From.QName(), ref.Key.Name+"/drop")
		if !p.planned(drop) {
			return nil, "The foreign key " + ref.Key.Name + " of " + ref.From.QName().String() + " refers to it."
		}
		steps = append(steps, drop)
	}
	if t.rel.Replica == "index" || strings.Contains(t.rel.Replica, x.Name) {
		return nil, "It may be the table's replica identity."
	}
	if x.Primary {
		return steps, p.keepsPrimary(t, x)
	}
	return steps, ""
}

// dropUnique plans the end of x, which b replaces. A constraint's name goes to the new
// one: ON CONFLICT ON CONSTRAINT and what tells errors apart by it still work.
func (p *planner) dropUnique(t *table, x catalog.Index, b indexBuild, needs []string) {
	q := t.rel.QName()
	step := Step{ID: stepID(GroupKeys, q, x.Name+"/drop"), Group: GroupKeys, Table: q, Needs: needs, Title: "drop " +
		x.Name + ", unique across all tenants", Reason: "values are now unique within each tenant",
		Hazards: []string{onConflict(t, x)}}
	if k := t.rel.Constraint(x.Name); k != nil {
		step.SQL = []string{dropConstraint(q, k.Name)}
		step.Undo = []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", q.SQL(), sqltext.Ident(k.Name), k.Definition)}
		if b.constraint {
			step.SQL = append(step.SQL, renameConstraint(q, b.name, k.Name))
			step.Undo = append([]string{renameConstraint(q, k.Name, b.name)}, step.Undo...)
		}
		step.Remember, step.Lock = []string{commentOnConstraint(q, k.Name)}, AccessExclusive
		step.Hazards = append(step.Hazards, "undoing this blocks writers while it rebuilds the index, and needs values "+
			"that are unique across all tenants")
	} else {
		index := catalog.QName{Schema: t.rel.Schema, Name: x.Name}
		step.Kind, step.Lock = KindConcurrent, ShareUpdateExclusive
		step.SQL = []string{dropIndexSQL(t.rel, index)}
		step.Undo = []string{rebuild(x)}
		if t.rel.Kind == catalog.PartitionedTable {
			step.Kind, step.Lock = KindSQL, AccessExclusive // it knows no CONCURRENTLY
			whole := strings.Replace(x.Definition, " ON ONLY ", " ON ", 1)
			step.Undo = []string{strings.Replace(whole, "INDEX ", "INDEX IF NOT EXISTS ", 1)}
			step.Hazards = append(step.Hazards, "undoing this blocks writers while it builds the index again")
		}
		step.Remember = []string{commentOnIndex(index)}
	}
	p.add(step)
}

// onConflict names the statement that a unique stops serving once it has grown.
func onConflict(t *table, x catalog.Index) string {
	return fmt.Sprintf("ON CONFLICT (%[1]s) without the tenant column is refused from here on: write ON CONFLICT (%[2]s, "+
		"%[1]s); a look-up by %[1]s alone may find a row of each tenant", keyList(x), sqltext.Ident(t.column))
}
