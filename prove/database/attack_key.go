package database

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// keyAttacks ask the keys about B: whether a value is taken, whether a row exists.
func (st *site) keyAttacks(p *prover) []attack {
	if st.spareA == nil || !st.reach.insert || st.class == catalog.TenantsTable || st.tenant == "" && !st.owned() {
		return nil
	}
	return slices.Concat(st.uniqueAttacks(p.Strict), st.exclusionAttacks(), st.referenceAttacks(p),
		st.upsertOracle(p.Strict))
}

func (st *site) uniqueAttacks(strict bool) []attack {
	var out []attack
	for _, i := range st.rel.Indexes {
		if !i.Unique || !i.Valid {
			continue
		}
		columns := st.columnsOf(i.Keys)
		if len(columns) == 0 || slices.Contains(columns, st.tenant) || st.referencesTenant(columns) {
			continue
		}
		surrogate := st.prover.view.Surrogate(st.rel, &i)
		if surrogate && (!strict || st.prover.view.Unguessable(st.rel, &i)) {
			continue
		}
		if a, ok := st.collision(i.Name, append(columns, st.mentionedIn(i.Predicate)...)); ok {
			if surrogate {
				a.name = "surrogate key"
			}
			out = append(out, a)
		}
	}
	return out
}

// columnsOf lists the columns of an index, those inside expressions too.
func (st *site) columnsOf(keys []catalog.IndexKey) []string {
	var out []string
	for _, k := range keys {
		if k.Column != "" {
			out = append(out, k.Column)
			continue
		}
		out = append(out, st.mentionedIn(k.Expression)...)
	}
	return once(out)
}

func (st *site) mentionedIn(text string) []string {
	return list.Pick(st.rel.Columns, func(c catalog.Column) (string, bool) {
		return c.Name, text != "" && mentions(text, c.Name)
	})
}

// referencesTenant says whether the columns lead, by foreign key, to a row that is
// A's alone: then B has none of the kind.
func (st *site) referencesTenant(columns []string) bool {
	return slices.ContainsFunc(st.rel.Constraints, func(c catalog.Constraint) bool {
		return c.Type == catalog.ForeignKey && st.tenant != "" && slices.Contains(c.Columns, st.tenant) &&
			slices.ContainsFunc(c.Columns, func(n string) bool { return n != st.tenant && slices.Contains(columns, n) })
	})
}

func (st *site) exclusionAttacks() []attack {
	var out []attack
	for _, c := range st.rel.Constraints {
		if c.Type != catalog.Exclude || slices.Contains(c.Columns, st.tenant) || mentions(c.Definition, st.tenant) {
			continue
		}
		if a, ok := st.collision(c.Name, st.mentionedIn(c.Definition)); ok {
			out = append(out, a)
		}
	}
	return out
}

// collision gives a row of A's B's values in the columns: a new row, or A's only one
// where there is one a tenant.
func (st *site) collision(constraint string, columns []string) (attack, bool) {
	for _, b := range st.rowsB {
		taken := row{}
		for _, n := range columns {
			if v, ok := b[n]; ok && n != st.tenant {
				taken[n] = v
			}
		}
		if len(taken) == 0 || slices.ContainsFunc(columns, func(n string) bool { return b[n] == null && n != st.tenant }) {
			continue
		}
		sql := st.insert(st.spareA.with(taken))
		if st.onePerTenant() && len(st.rowsA) > 0 && subset(once(columns), st.reach.updates) {
			sql = "UPDATE " + st.sql() + " x SET " + taken.assignments() + " WHERE " +
				st.rowsA[0].matches("x.", []string{st.tenant})
		}
		return attack{name: "duplicate key", part: constraint, steps: []string{sql},
			judge:   func(outcome) finding { return isolated("tenant A may use the value that tenant B uses") },
			onError: func(e *pgconn.PgError) finding { return taught(constraint, st.answers(constraint, e), e) }}, true
	}
	return attack{}, false
}

// onePerTenant says whether a tenant has one row at most: its column is a key.
func (t *target) onePerTenant() bool {
	return slices.ContainsFunc(t.rel.Indexes, func(i catalog.Index) bool {
		return i.Unique && i.Predicate == "" && len(i.Keys) == 1 && i.Keys[0].Column == t.tenant
	})
}

// answers says whether an error is that of the key that was asked: by its name, or as the
// part of it that a partition has under a name of its own.
func (st *site) answers(constraint string, e *pgconn.PgError) bool {
	if e.ConstraintName == constraint {
		return true
	}
	part := st.prover.view.Relation(catalog.QName{Schema: e.SchemaName, Name: e.TableName})
	if part == nil || !part.Partition {
		return false
	}
	asked, told := indexOf(st.rel, constraint), indexOf(part, e.ConstraintName)
	return asked != nil && told != nil && told.Inherited && slices.Equal(asked.Columns(), told.Columns())
}

func indexOf(r *catalog.Relation, name string) *catalog.Index {
	at := slices.IndexFunc(r.Indexes, func(i catalog.Index) bool { return i.Name == name })
	if at < 0 {
		return nil
	}
	return &r.Indexes[at]
}

// taught reads the error of a collision. Only that of the key that was asked tells of B.
func taught(constraint string, answers bool, e *pgconn.PgError) finding {
	switch {
	case (e.Code == codeUnique || e.Code == codeExclusion) && answers:
		return leak("the error of %q tells tenant A that another tenant has the value, and stops A from using it",
			e.ConstraintName)
	case e.Code == codeUnique || e.Code == codeExclusion:
		return undecided("%q answered ahead of %q: try the statement of the script with a value that the first takes",
			e.ConstraintName, constraint)
	case e.Code == codeForeignKey:
		return isolated("refused: %s", e.Message)
	}
	return unclear(e)
}

// referenceAttacks let a row of A's refer to a row of B's.
func (st *site) referenceAttacks(p *prover) []attack {
	var out []attack
	for _, c := range st.rel.Constraints {
		parent := p.siteOf(c.References)
		if c.Type != catalog.ForeignKey || parent == nil || !crossable(st, parent, c) ||
			len(referable(parent.rowsB, c)) == 0 {
			continue
		}
		to := st.alone(c)
		target := st.unused(parent, c)
		for i, n := range c.Columns {
			if n != st.tenant {
				to[n] = target[c.RefColumns[i]]
			}
		}
		out = append(out, attack{name: "foreign key", part: c.Name, steps: []string{st.referring(to)},
			inserts: []row{st.spareA.with(to)},
			judge: accepted("a row of tenant A now refers to a row of tenant B through " + c.Name +
				", and the answer tells which of B's keys exist"),
			onError: func(e *pgconn.PgError) finding {
				if e.Code == codeForeignKey {
					return isolated("refused: %s", e.Message)
				}
				return unclear(e)
			}})
	}
	return out
}

// referring makes a row of A's refer elsewhere: a new row, or one of A's that a new row would
// meet in a key.
func (st *site) referring(to row) string {
	child := st.spareA.with(to)
	for _, own := range st.rowsA {
		if len(st.key) > 0 && st.meets(child, own) && subset(slices.Collect(maps.Keys(to)), st.reach.updates) {
			return "UPDATE " + st.sql() + " x SET " + to.assignments() + " WHERE " + own.matches("x.", st.key)
		}
	}
	return st.insert(child)
}

// meets says whether two rows have the same values in a unique key.
func (st *site) meets(a, b row) bool {
	return slices.ContainsFunc(st.rel.Indexes, func(i catalog.Index) bool {
		return i.Unique && !slices.ContainsFunc(i.Columns(), func(n string) bool {
			return n == "" || a[n] != b[n] || a[n] == null
		})
	})
}

// unused picks a parent of B's that no known row of B's refers to yet: the column may
// be unique.
func (st *site) unused(parent *site, c catalog.Constraint) row {
	if st.staged && st.spareB != nil && st.distinguishes(c) { // planted for a row that is not there
		fresh := row{}
		for i, n := range c.Columns {
			fresh[c.RefColumns[i]] = st.spareB[n]
		}
		return fresh
	}
	for _, r := range referable(parent.rowsB, c) {
		if !slices.ContainsFunc(st.rowsB, func(child row) bool {
			for i, n := range c.Columns {
				if child[n] != r[c.RefColumns[i]] {
					return false
				}
			}
			return true
		}) {
			return r
		}
	}
	return referable(parent.rowsB, c)[0]
}

// referable are the rows that a foreign key can lead to: a row with a NULL in what it
// refers to is nobody's parent.
func referable(rows []row, c catalog.Constraint) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return slices.ContainsFunc(c.RefColumns, func(n string) bool { return r[n] == null })
	})
}

// alone empties the optional columns that a CHECK constraint weighs against those of
// the foreign key: often exactly one of several references may be set.
func (st *site) alone(c catalog.Constraint) row {
	out := row{}
	for _, k := range st.rel.Constraints {
		if k.Type != catalog.Check || !slices.ContainsFunc(c.Columns,
			func(n string) bool { return mentions(k.Definition, n) }) {
			continue
		}
		for _, n := range st.mentionedIn(k.Definition) {
			if col := st.column(n); n != st.tenant && !col.NotNull && !slices.Contains(c.Columns, n) && st.referencing(n) {
				out[n] = null
			}
		}
	}
	return out
}

// defining says whether the foreign key is what tells whose a row is: then a row that
// refers to A's is A's.
func (t *target) defining(c catalog.Constraint) bool {
	return t.tenant == "" && slices.ContainsFunc(t.model.Paths,
		func(p catalog.Path) bool { return len(p) > 0 && p[0].Constraint == c.Name })
}

// crossable says whether a foreign key could lead from one tenant to another: both
// ends belong to tenants.
func crossable(child, parent *site, c catalog.Constraint) bool {
	if parent.class == catalog.TenantsTable || !parent.owned() || !child.owned() {
		return false
	}
	// The tenant columns of both ends must be the only columns for it to be about
	// the tenant itself.
	return slices.ContainsFunc(c.Columns, func(n string) bool { return n != child.tenant })
}

// pairsTenants says whether the foreign key carries the tenant on both ends.
func pairsTenants(child, parent *site, c catalog.Constraint) bool {
	for i, n := range c.Columns {
		if child.tenant != "" && n == child.tenant && c.RefColumns[i] == parent.tenant {
			return true
		}
	}
	return false
}

// cascadeAttacks delete A's own row that a row of B's refers to, or that a row of
// A's refers to with its tenant among the columns set to NULL.
func (s *stage) cascadeAttacks(ctx context.Context, st *site) []attack {
	var out []attack
	for _, c := range st.rel.Constraints {
		parent := s.siteOf(c.References)
		if c.Type == catalog.ForeignKey && parent != nil && parent.class == catalog.SharedTable {
			out = append(out, s.sharedCascade(st, parent, c)...)
		}
		if c.Type != catalog.ForeignKey || parent == nil || !crossable(st, parent, c) ||
			parent.rel.QName() == st.rel.QName() ||
			len(parent.rowsA) == 0 || st.spareB == nil || len(parent.key) == 0 || !parent.reach.delete {
			continue
		}
		if pairsTenants(st, parent, c) {
			out = append(out, s.orphaned(st, parent, c)...)
			continue
		}
		if len(st.key) > 0 && !st.defining(c) {
			out = append(out, s.crossed(ctx, st, parent, c)...)
		}
	}
	return out
}

// sharedCascade lets A delete a row that every tenant reads, and that B's row refers to.
func (s *stage) sharedCascade(st, parent *site, c catalog.Constraint) []attack {
	carried := c.OnDelete == "cascade" || strings.HasPrefix(c.OnDelete, "set ")
	if !carried || !parent.reach.delete || len(c.Columns) != 1 {
		return nil
	}
	own, ref := sqltext.Ident(c.Columns[0]), sqltext.Ident(c.RefColumns[0])
	one := "(SELECT min(p." + ref + "::text) FROM " + parent.sql() + " p)"
	same := "x." + ref + "::text = " + one
	return []attack{{name: "cascade",
		setup: []string{"UPDATE " + st.sql() + " x SET " + own + " = p." + ref + " FROM " + parent.sql() + " p WHERE p." +
			ref + "::text = " + one + " AND " + st.planted("x")},
		steps: []string{"DELETE FROM " + parent.sql() + " x WHERE " + same},
		watch: []string{"SELECT 1 AS row_of_tenant_b FROM " + st.sql() + " x WHERE " + st.planted("x") + " AND x." + own +
			" IS NOT NULL"},
		judge: func(o outcome) finding {
			switch {
			case o.last().n == 0:
				return undecided("%s has no row to delete, so its effect on B was not seen", parent.name())
			case len(o.watched) > 0 && o.watched[0].n == 0:
				return leak("tenant A deleted a row of %s, which every tenant reads, and with it went, or changed, tenant B's "+
					"row here (%s)", parent.name(), c.Name)
			}
			return isolated("tenant B's row was not touched")
		}}}
}

// crossed plants a row of B's that refers to A's row, as B could, and lets A delete
// and re-key its own.
func (s *stage) crossed(ctx context.Context, st, parent *site, c catalog.Constraint) []attack {
	own, setup := s.childless(ctx, parent, c.RefColumns)
	to := row{}
	for i, n := range c.Columns {
		to[n] = own[c.RefColumns[i]]
	}
	child := st.spareB.with(to)
	watch := []string{"SELECT 1 AS row_of_tenant_b FROM " + st.sql() + " x WHERE " +
		child.matches("x.", once(append(slices.Clone(st.key), c.Columns...)))}
	setup = append(setup, st.sow(child))
	return []attack{{name: "cascade", part: c.Name, setup: setup, watch: watch, inserts: []row{child},
		steps: []string{"DELETE FROM " + parent.sql() + " x WHERE " + own.matches("x.", parent.key)},
		judge: func(o outcome) finding {
			if o.last().n == 0 {
				return undecided("tenant A could not delete its own row of %s, so its effect on B was not seen", parent.name())
			}
			if len(o.watched) > 0 && o.watched[0].n == 0 {
				return leak("tenant A deleted its own row of %s, and with it went, or changed, tenant B's row here (%s)",
					parent.name(), c.Name)
			}
			return isolated("tenant B's row was not touched")
		},
		onError: func(e *pgconn.PgError) finding {
			if (constraint(e) || e.Code == codeCheck) && s.view.Bounded(st.rel, &c) {
				return isolated("a tenant below refers to the row, as it may, and keeps it: %s", e.Message)
			}
			if constraint(e) && e.ConstraintName != c.Name && !s.partOf(st, c, e) {
				return undecided("tenant A could not delete its own row of %s (%s), so its effect on B was not seen",
					parent.name(), e.Message)
			}
			if constraint(e) || e.Code == codeCheck {
				f := leak("tenant B's row keeps tenant A from deleting its own, and the error says so: %s %s", e.Message, e.Detail)
				f.accepts = "key-foreign-key"
				return f
			}
			return unclear(e)
		}}}
}

// childless is a row of A's that nothing refers to yet, so that no other key keeps it, with the
// statement that plants it; where there is none, one that may be referred to.
func (s *stage) childless(ctx context.Context, st *site, needed []string) (row, []string) {
	if st.spareA != nil && subset(needed, slices.Collect(maps.Keys(st.spareA))) &&
		subset(st.key, slices.Collect(maps.Keys(st.spareA))) {
		sow := st.sow(st.spareA)
		if o := s.operator.try(ctx, attempt{setup: []string{sow}, steps: []string{"SELECT 1"}}); o.err == nil {
			return st.spareA, []string{sow}
		}
	}
	return st.rowsA[0], nil
}

// partOf says whether an error is about a key under another name that it has for partitions, of
// either end.
func (s *stage) partOf(st *site, c catalog.Constraint, e *pgconn.PgError) bool {
	on := s.view.Relation(catalog.QName{Schema: e.SchemaName, Name: e.TableName})
	if on == st.rel {
		return strings.HasPrefix(e.ConstraintName, c.Name)
	}
	return on != nil && (on.Partition || st.rel.Partition) && slices.ContainsFunc(on.Constraints,
		func(k catalog.Constraint) bool {
			return k.Name == e.ConstraintName && slices.Equal(k.Columns, c.Columns)
		})
}

// orphaned deletes A's parent of A's own row under SET NULL or SET DEFAULT of the
// tenant column, and asks whether B then sees the row.
func (s *stage) orphaned(st, parent *site, c catalog.Constraint) []attack {
	sets := c.OnDelete == "set null" || c.OnDelete == "set default"
	if !sets || len(c.SetColumns) > 0 && !slices.Contains(c.SetColumns, st.tenant) || st.spareA == nil || !st.readable() {
		return nil
	}
	to := row{}
	for i, n := range c.Columns {
		to[n] = parent.rowsA[0][c.RefColumns[i]]
	}
	child := st.spareA.with(to)
	columns := slices.DeleteFunc(st.columns(), func(n string) bool { _, ok := child[n]; return !ok })
	known := st.key
	if len(known) == 0 {
		known = columns
	}
	key := slices.DeleteFunc(slices.Clone(known), func(n string) bool { return slices.Contains(c.Columns, n) })
	if len(key) == 0 {
		return nil
	}
	steps := slices.Concat([]string{"DELETE FROM " + parent.sql() + " x WHERE " +
		parent.rowsA[0].matches("x.", parent.key)}, st.asB,
		[]string{"SELECT 1 FROM " + st.sql() + " x WHERE " + child.matches("x.", key)})
	return []attack{{name: "cascade", steps: steps, inserts: []row{child},
		setup: []string{"INSERT INTO " + st.sql() + " (" + sqltext.Idents(columns) + ") OVERRIDING SYSTEM VALUE VALUES (" +
			child.values(columns) + ")"},
		judge: seen("deleting the parent took the tenant off tenant A's row, and tenant B sees it"),
		onError: func(e *pgconn.PgError) finding {
			if constraint(e) {
				return isolated("refused: %s", e.Message)
			}
			return unclear(e)
		}}}
}
