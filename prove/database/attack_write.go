package database

import (
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// writeAttacks are the ways to write another tenant's rows.
func (st *site) writeAttacks() []attack {
	return slices.Concat(st.insertAttacks(), st.updateAttacks(), st.deleteAttacks(), st.mergeAttacks(),
		st.truncateAttack())
}

// insertable are the columns an INSERT names: those that may be written and take a value.
func (st *site) insertable() []string {
	return list.Filter(st.reach.inserts, func(name string) bool {
		c := st.column(name)
		return c != nil && c.Generated == ""
	})
}

func (st *site) insert(r row) string {
	cols := slices.DeleteFunc(st.insertable(), func(c string) bool { _, ok := r[c]; return !ok })
	return "INSERT INTO " + st.sql() + " (" + sqltext.Idents(cols) + ") OVERRIDING SYSTEM VALUE VALUES (" +
		r.values(cols) + ")"
}

func (st *site) insertAttacks() []attack {
	if !st.reach.insert || st.spareB == nil {
		return nil
	}
	out := []attack{{name: "insert", steps: []string{st.insert(st.spareB)},
		judge: accepted("a row was planted in tenant B"), onError: pastPolicy}}
	if st.seesTenant() {
		out = append(out, attack{name: "returning", steps: []string{st.insert(st.spareB) + " RETURNING " +
			sqltext.Ident(st.tenant)},
			judge: accepted("a row was planted in tenant B and returned"), onError: pastPolicy})
	}
	if c := st.column(st.tenant); c != nil && !c.NotNull && slices.Contains(st.insertable(), st.tenant) {
		out = append(out, st.orphanAttack())
	}
	return append(out, st.upsertAttacks()...)
}

// orphanAttack plants a row without a tenant and asks whether B sees it.
func (st *site) orphanAttack() attack {
	steps := []string{st.insert(st.spareA.with(row{st.tenant: null}))}
	judge := accepted("a row without a tenant was planted")
	if st.seesTenant() && (st.s.bind.bare() || st.staged) {
		steps = slices.Concat(steps, st.asB, []string{"SELECT 1 FROM " + st.sql() + " x WHERE x." +
			sqltext.Ident(st.tenant) + " IS NULL LIMIT 1"})
		judge = seen("a row without a tenant, planted by A, reached tenant B")
	}
	return attack{name: "insert for all", steps: steps, judge: judge, onError: func(e *pgconn.PgError) finding {
		if e.Code == codeNotNull || e.Code == codeCheck {
			return isolated("refused: %s", e.Message)
		}
		return unclear(e)
	}}
}

func (st *site) upsertAttacks() []attack {
	set := st.settable(st.reach.updates)
	if set == "" || len(st.rowsB) == 0 {
		return nil
	}
	b := st.rowsB[0]
	key := st.conflictKey(b)
	if key == nil || !subset(key, st.reach.selects) {
		return nil
	}
	onto := " ON CONFLICT (" + sqltext.Idents(key) + ") DO UPDATE SET " + sqltext.Ident(set) + " = excluded." +
		sqltext.Ident(set)
	out := []attack{{name: "upsert", steps: []string{st.insert(b) + onto},
		judge: accepted("an upsert changed tenant B's row"), onError: pastPolicy}}
	if st.seesTenant() && !slices.Contains(key, st.tenant) {
		out = append(out, attack{name: "upsert", steps: []string{st.insert(b.with(row{st.tenant: st.a})) + onto +
			" RETURNING " + sqltext.Ident(st.tenant)},
			judge: func(o outcome) finding {
				if rows := o.last().rows; len(rows) > 0 && rows[0][0] != st.a {
					return leak("an upsert as tenant A changed tenant B's row")
				}
				return isolated("the upsert met no row of tenant B")
			}, onError: ownRowMet})
	}
	return out
}

// ownRowMet reads a constraint's error on a row that is A's: it was let through
// rightfully, and what another key tells is for the probes of keys.
func ownRowMet(e *pgconn.PgError) finding {
	if constraint(e) {
		return isolated("the row is tenant A's own, and %s stopped it", orAnother(e.ConstraintName))
	}
	return unclear(e)
}

func orAnother(constraint string) string {
	if constraint == "" {
		return "a constraint"
	}
	return "constraint " + constraint
}

// conflictKey is the key that an upsert of the row aims at: one that no NULL in the row
// takes it past, and that is checked at once.
func (st *site) conflictKey(r row) []string {
	for _, i := range st.rel.Indexes {
		if !i.Unique || !i.Valid || i.Predicate != "" || st.deferrable(i.Name) ||
			slices.ContainsFunc(i.Keys, func(k catalog.IndexKey) bool { return k.Column == "" || r[k.Column] == null }) {
			continue
		}
		return list.Map(i.Keys, func(k catalog.IndexKey) string { return k.Column })
	}
	return nil
}

// deferrable says whether an index is that of a constraint that may wait for COMMIT:
// ON CONFLICT cannot aim at those.
func (st *site) deferrable(index string) bool {
	return slices.ContainsFunc(st.rel.Constraints, func(c catalog.Constraint) bool {
		return (c.Index == index || c.Name == index) && c.Deferrable
	})
}

// settable picks a column to overwrite: no key, no reference, no tenant, if there
// is such a one.
func (st *site) settable(of []string) string {
	best, fallback := "", ""
	for _, name := range of {
		c := st.column(name)
		if c == nil || c.Generated != "" || c.Identity == "always" || name == st.tenant {
			continue
		}
		if !st.constrained(name) {
			best = name
			break
		}
		fallback = name
	}
	if best == "" {
		return fallback
	}
	return best
}

// constrained says whether a column takes part in a key, a reference or a partition key.
func (st *site) constrained(name string) bool {
	return slices.Contains(st.rel.PartitionKey.Columns, name) ||
		slices.ContainsFunc(st.rel.Constraints, func(c catalog.Constraint) bool {
			return c.Type != catalog.Check && c.Type != catalog.NotNull && slices.Contains(c.Columns, name)
		}) || slices.ContainsFunc(st.rel.Indexes, func(i catalog.Index) bool {
		return i.Unique && slices.ContainsFunc(i.Keys, func(k catalog.IndexKey) bool {
			return k.Column == name || k.Column == "" && mentions(k.Expression, name)
		})
	})
}

func (st *site) updateAttacks() []attack {
	set := st.settable(st.reach.updates)
	if !st.reach.update || len(st.rowsB) == 0 {
		return nil
	}
	var out []attack
	if set != "" {
		to := sqltext.Ident(set) + " = " + lit(st.rowsB[0][set])
		if where := st.attacked("x"); where != "" {
			update := "UPDATE " + st.sql() + " x SET " + to + " WHERE " + where
			out = append(out, attack{name: "update", steps: []string{update}, judge: changed("an UPDATE reached"),
				onError: pastPolicy})
			if len(st.reach.selects) > 0 {
				out = append(out, attack{name: "returning", steps: []string{update + " RETURNING " +
					qualified("x", st.reach.selects)},
					judge: seen("UPDATE … RETURNING"), onError: pastPolicy})
			}
		}
		if where := st.foreign("x"); where != "" {
			out = append(out, attack{name: "update", steps: []string{"UPDATE " + st.sql() + " x SET " + to +
				" FROM (VALUES (1)) one(n) WHERE " + where}, judge: changed("an UPDATE with a join reached"), onError: pastPolicy})
		}
	}
	return append(out, st.moveAttacks()...)
}

// moveAttacks hand one of A's rows to B: by its key, and without reading any column.
func (st *site) moveAttacks() []attack {
	d := st.spread()
	if st.tenant == "" || !slices.Contains(st.reach.updates, st.tenant) || len(st.rowsA) == 0 ||
		d != nil && d.Column == st.tenant {
		return nil
	}
	to := "UPDATE " + st.sql() + " x SET " + sqltext.Ident(st.tenant) + " = " + lit(st.b)
	if st.class == catalog.TenantsTable {
		to = "UPDATE " + st.sql() + " x SET " + sqltext.Ident(st.tenant) + " = " + lit(st.spareB[st.tenant])
	}
	out := []attack{{name: "move", steps: []string{to}, judge: accepted("tenant A's rows were moved to another tenant"),
		onError: pastPolicy}}
	if key := st.identifying(); len(key) > 0 {
		out = append(out, attack{name: "move", steps: []string{to + " WHERE " + st.rowsA[0].matches("x.", key)},
			judge: accepted("a row of tenant A was moved to another tenant"), onError: pastPolicy})
	}
	return out
}

func (st *site) deleteAttacks() []attack {
	where := st.attacked("x")
	if !st.reach.delete || where == "" || len(st.rowsB) == 0 {
		return nil
	}
	passed := func(e *pgconn.PgError) finding {
		if constraint(e) {
			return leak("DELETE reached tenant B's row; only constraint %q kept it", e.ConstraintName)
		}
		return unclear(e)
	}
	return []attack{
		{name: "delete", steps: []string{"DELETE FROM " + st.sql() + " x WHERE " + where},
			judge: changed("a DELETE removed"), onError: passed},
		{name: "returning", steps: []string{"DELETE FROM " + st.sql() + " x WHERE " + where + " RETURNING 1"},
			judge: seen("DELETE … RETURNING"), onError: passed},
	}
}

func (st *site) mergeAttacks() []attack {
	where := st.attacked("x")
	if st.spread().Spread() || st.prover.view.Snapshot.Version < 150000 || !st.isTable() ||
		where == "" || len(st.rowsB) == 0 {
		return nil
	}
	into := "MERGE INTO " + st.sql() + " x USING (VALUES (1)) one(n) ON "
	var out []attack
	if st.reach.delete {
		out = append(out, attack{name: "merge", steps: []string{into + where + " WHEN MATCHED THEN DELETE"},
			judge: changed("a MERGE deleted"), onError: pastPolicy})
	}
	if set := st.settable(st.reach.updates); st.reach.update && set != "" {
		out = append(out, attack{name: "merge", steps: []string{into + where + " WHEN MATCHED THEN UPDATE SET " +
			sqltext.Ident(set) + " = " + lit(st.rowsB[0][set])}, judge: changed("a MERGE updated"), onError: pastPolicy})
	}
	if cols := st.insertable(); st.reach.insert && st.spareB != nil && len(cols) > 0 {
		cols = slices.DeleteFunc(cols, func(c string) bool { _, ok := st.spareB[c]; return !ok })
		out = append(out, attack{name: "merge", steps: []string{into + "false WHEN NOT MATCHED THEN INSERT (" +
			sqltext.Idents(cols) + ") OVERRIDING SYSTEM VALUE VALUES (" + st.spareB.values(cols) + ")"},
			judge: accepted("a MERGE planted a row in tenant B"), onError: pastPolicy})
	}
	return out
}

func (st *site) truncateAttack() []attack {
	if !st.isTable() {
		return nil
	}
	cascade := " CASCADE"
	if st.prover.emptiesMany(st.rel) {
		cascade = ""
	}
	return []attack{{name: "truncate", steps: []string{"TRUNCATE " + st.sql() + cascade},
		judge: func(outcome) finding { return leak("TRUNCATE emptied the table for every tenant") },
		onError: func(e *pgconn.PgError) finding {
			if cascade == "" && e.Code == codeUnsupported {
				return leak("TRUNCATE … CASCADE empties the table, and those that refer to it, for every tenant")
			}
			return unclear(e)
		}}}
}

// mostEmptied is how many tables a TRUNCATE may reach by CASCADE: each costs new files.
const mostEmptied = 20

// emptiesMany says whether TRUNCATE … CASCADE would reach more tables than that, and the
// application role may empty all of them: then it is enough that the server lets it at
// the first. Where it may not, the server refuses before it writes anything.
func (p *prover) emptiesMany(r *catalog.Relation) bool {
	reached := []*catalog.Relation{r}
	seen := map[*catalog.Relation]bool{r: true}
	for n := 0; n < len(reached); n++ {
		for _, ref := range p.view.References(reached[n].QName()) {
			if !seen[ref.From] {
				seen[ref.From] = true
				reached = append(reached, ref.From)
			}
		}
	}
	return len(reached) > mostEmptied && !slices.ContainsFunc(reached, func(r *catalog.Relation) bool {
		t := p.byName[r.QName()]
		return t == nil || !t.reach.truncate
	})
}

// unboundAttacks try without a tenant, with an empty one and with one that does not
// exist: nothing may be seen and nothing changed, without a WHERE too.
func (st *site) unboundAttacks(nobody string, as []string) []attack {
	who := "with " + nobody
	var out []attack
	failed := func(e *pgconn.PgError) finding {
		// A policy that cannot read the setting fails closed, if rudely.
		if e.Code == codeCast || e.Code == codeNoSetting {
			return isolated("refused: %s", e.Message)
		}
		if constraint(e) {
			return leak("%s a row was reached: only constraint %q stopped the statement", who, e.ConstraintName)
		}
		return unclear(e)
	}
	if st.readable() {
		read := "SELECT 1 FROM " + st.sql() + st.notEverybodys(nobody) + " LIMIT 1"
		out = append(out, attack{name: nobody, as: as, steps: []string{read}, onError: failed,
			judge: func(o outcome) finding {
				if o.last().n > 0 {
					return leak("%s rows are visible", who)
				}
				return isolated("%s no row is visible", who)
			}})
	}
	touched := func(o outcome) finding {
		if n := o.last().n; n > 0 {
			return leak("%s a statement without WHERE changed %s", who, english.Count(n, "row"))
		}
		return isolated("%s no row was seen or changed", who)
	}
	if set := st.settable(st.reach.updates); st.reach.update && set != "" {
		to := "DEFAULT"
		if len(st.rowsB) > 0 {
			to = lit(st.rowsB[0][set])
		}
		out = append(out, attack{name: nobody, as: as, steps: []string{"UPDATE " + st.sql() + " SET " + sqltext.Ident(set) +
			" = " + to}, judge: touched, onError: failed})
	}
	if st.reach.delete {
		out = append(out, attack{name: nobody, as: as, steps: []string{"DELETE FROM " + st.sql()}, judge: touched,
			onError: failed})
	}
	if st.reach.insert && st.spareB != nil {
		out = append(out, attack{name: nobody, as: as, steps: []string{st.insert(st.spareB)}, judge: touched,
			onError: func(e *pgconn.PgError) finding {
				if constraint(e) {
					return leak("%s the policies let a row in; only constraint %q stopped these values", who, e.ConstraintName)
				}
				return failed(e)
			}})
	}
	return out
}
