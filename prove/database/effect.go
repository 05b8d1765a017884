package database

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
)

// effectAttacks write A's own rows, rightfully, and look at what that does to B:
// through triggers and rules.
func (s *stage) effectAttacks(ctx context.Context, st *site) []attack {
	if !s.fires(st.target) || st.spareA == nil || s.calm == "" {
		return nil
	}
	name := "trigger"
	if len(st.rel.Rules) > 0 {
		name = "rule"
	}
	tries := s.writesOfOwn(ctx, st)
	if st.reach.insert && len(st.rowsB) > 0 { // and for what a trigger does to the rows that it names
		for _, r := range append(s.pointing(st, st.spareA), st.filled(st.spareA), st.twin()) {
			tries = append(tries, []string{st.insert(st.spareA.with(r))})
		}
	}
	var out []attack
	for _, steps := range tries {
		out = append(out, attack{name: name, steps: steps, onError: func(e *pgconn.PgError) finding {
			if e.Code == codeSyntax && strings.Contains(e.Message, tag(tagA)) && s.runsAsOwner(st.target) {
				return leak("a text of tenant A's own row runs as SQL, with the rights of the trigger's owner: %s", e.Message)
			}
			return pastTrigger(e)
		}})
	}
	return s.watched(ctx, st, out)
}

// writesOfOwn are the ways in which A may write a row of its own: all of them in one go, where
// they go through, since looking at everything that A can read costs more than the writes.
func (s *stage) writesOfOwn(ctx context.Context, st *site) [][]string {
	own, insert := row{}, []string{}
	if len(st.rowsA) > 0 {
		own = st.rowsA[0]
	}
	if st.reach.insert {
		insert = []string{st.insert(st.spareA)}
		own = st.spareA // new, so that nothing refers to it
	}
	update, remove := st.updateOwn(own), st.deleteOwn(own)
	all := slices.Concat(insert, update, remove)
	if o := s.operator.try(ctx, attempt{as: st.asA, steps: all}); o.err == nil || len(all) == 1 {
		return [][]string{all}
	}
	tries := [][]string{insert, slices.Concat(insert, update), slices.Concat(insert, remove)}
	if len(insert) > 0 && len(st.rowsA) > 0 { // which may be what cannot be done
		tries = append(tries, st.updateOwn(st.rowsA[0]))
	}
	return slices.DeleteFunc(tries, func(steps []string) bool { return len(steps) == 0 })
}

// updateOwn and deleteOwn are the statement that writes a row of A's, none where it cannot be named.
func (st *site) updateOwn(own row) []string {
	set, key := st.settable(st.reach.updates), st.naming(own)
	if !st.reach.update || set == "" || len(key) == 0 {
		return nil
	}
	return []string{"UPDATE " + st.sql() + " x SET " + sqltext.Ident(set) + " = " + lit(own[set]) + " WHERE " +
		own.matches("x.", key)}
}

func (st *site) deleteOwn(own row) []string {
	key := st.naming(own)
	if !st.reach.delete || len(key) == 0 {
		return nil
	}
	return []string{"DELETE FROM " + st.sql() + " x WHERE " + own.matches("x.", key)}
}

// naming are the columns that pick a row of A's own.
func (st *site) naming(own row) []string {
	key := st.identifying()
	if len(key) == 0 && len(st.key) == 0 && st.seesTenant() {
		key = []string{st.tenant}
	}
	if slices.ContainsFunc(key, func(n string) bool { _, ok := own[n]; return !ok }) {
		return nil
	}
	return key
}

// watched lets attacks be judged by what A can read of B's after them, and by B's rows.
func (s *stage) watched(ctx context.Context, st *site, attacks []attack) []attack {
	sweep := s.sweep(ctx)
	given := int64(0) // what A reads of B's before: another party's row, or one that is shared with A
	if sweep != "" && len(attacks) > 0 {
		given = s.operator.try(ctx, attempt{as: st.asA, steps: []string{sweep}}).last().number()
	}
	watch := s.watch(writing{st.rel})
	for a := range catalog.Each(attacks) {
		text := strings.Join(slices.Concat(a.setup, a.steps), "\n")
		if sweep != "" && !sownB.MatchString(text) { // else it counts what A wrote
			a.steps = append(slices.Clone(a.steps), sweep)
		}
		a.watch, a.again = watch, s.settle
		a.judge = func(o outcome) finding {
			if n := o.last().number() - given; strings.HasPrefix(o.last().tag, "SELECT") && n > 0 {
				return leak("after what tenant A wrote, %s more that A can read named tenant B", english.Count(n, "row"))
			}
			if slices.ContainsFunc(o.results, func(r result) bool { return ungiven(r.text(), text) }) {
				return leak("what tenant A wrote came back with values of tenant B's rows")
			}
			if change := s.changed(o); change != "" {
				return leak("what tenant A wrote changed tenant B's rows: %s", change)
			}
			return isolated("what ran with tenant A's own write touched nothing of tenant B's")
		}
	}
	return attacks
}

// filled gives a text to each column of a row that has none: a trigger may run it.
func (st *site) filled(own row) row {
	texts := row{}
	for _, name := range st.insertable() {
		if v, ok := own[name]; (!ok || v == null) && st.prover.textual(st.column(name)) && !st.constrained(name) {
			texts[name] = tag(tagA) + "x"
		}
	}
	return texts
}

// textual says whether a column holds plain text.
func (p *prover) textual(c *catalog.Column) bool {
	return c.TypeName.Name == "text" || c.TypeName.Name == "varchar"
}

// runsAsOwner says whether a trigger of a table has the rights of its function's owner.
func (s *stage) runsAsOwner(t *target) bool {
	return slices.ContainsFunc(t.rel.Triggers, func(g catalog.Trigger) bool {
		return slices.ContainsFunc(s.view.Functions(g.Function), func(f *catalog.Function) bool { return f.Definer })
	})
}

// stealAttack makes A the tenant of every row, without reading a column: then only the
// policies of UPDATE are asked, and one that lets any row be changed into A's takes B's.
func (s *stage) stealAttack(ctx context.Context, st *site) []attack {
	d := st.spread()
	if s.calm == "" || !slices.Contains(st.reach.updates, st.tenant) || st.class == catalog.TenantsTable ||
		d != nil && d.Column == st.tenant {
		return nil
	}
	steal := "UPDATE " + st.sql() + " SET " + sqltext.Ident(st.tenant) + " = " + lit(st.a)
	judge := func(o outcome) finding {
		if change := s.changed(o); change != "" {
			return leak("tenant A made tenant B's rows its own: %s", change)
		}
		return isolated("no row of tenant B became tenant A's")
	}
	return []attack{{name: "move", steps: []string{steal}, watch: s.watch(writing{st.rel}), again: s.settle,
		judge: judge, onError: func(e *pgconn.PgError) finding {
			own := steal + " WHERE " + sqltext.Ident(st.tenant) + " = " + lit(st.a)
			if o := s.operator.try(ctx, attempt{as: st.asA, steps: []string{own}}); !constraint(e) || o.err == nil {
				return pastPolicy(e)
			}
			return s.stealFromOthers(ctx, st, steal, judge)
		}}}
}

// stealFromOthers does the same where tenant A has no row, since one of its own stops the statement.
func (s *stage) stealFromOthers(ctx context.Context, st *site, steal string, judge func(outcome) finding) finding {
	o := s.operator.try(ctx, attempt{setup: []string{"SET LOCAL session_replication_role = replica", "DELETE FROM " +
		st.sql() + " WHERE " + sqltext.Ident(st.tenant) + " = " + lit(st.a), "SET LOCAL session_replication_role = origin"},
		as: st.asA, steps: []string{steal}, watch: s.watch(writing{st.rel})})
	switch {
	case o.broken != nil || !o.ready:
		return undecided("an UPDATE of tenant A's own rows alone is stopped, and they cannot be left out: %s",
			prove.Message(o.err))
	case refused(o.err):
		return isolated("refused: %s", o.err.Message)
	case o.err != nil:
		return pastPolicy(o.err)
	}
	return judge(o)
}

// sweep counts, in everything that A can read, rows that carry B's tag. What cannot be read whole
// is left out, or it would hide what the rest shows.
func (s *stage) sweep(ctx context.Context) string {
	if s.swept == nil {
		s.swept = []string{}
		as, err := s.operator.bind.to(ctx, s.a)
		for _, t := range s.targets {
			if err != nil || !t.readable() || t.rel.Kind == catalog.ForeignTable {
				continue
			}
			sql := "SELECT count(*) AS n FROM " + t.sql() + " x WHERE ROW(" + qualified("x", t.reach.selects) + ")::text ~ '" +
				sown(tagB) + "'"
			if s.operator.try(ctx, attempt{as: as, steps: []string{sql}}).err == nil {
				s.swept = append(s.swept, sql)
			}
		}
	}
	if len(s.swept) == 0 {
		return ""
	}
	return "SELECT sum(n)::bigint AS rows_of_b FROM (" + strings.Join(s.swept, " UNION ALL ") + ") all_readable"
}

// attackView attacks what is no tenant table: views with a tenant column, by what may be
// written through them, and tables whose triggers or rules run.
func (s *stage) attackView(ctx context.Context, t *target) error {
	st := s.sites[t]
	if t.isTable() && !s.private(t) && s.fires(t) && t.reach.insert {
		return s.attackOpenTable(ctx, st)
	}
	if t.rel.Kind == catalog.MaterializedView && t.reach.usage {
		if err := s.rebind(ctx, st); err != nil {
			return err
		}
		return s.run(ctx, st, t.name(), s.refreshAttack(st))
	}
	if t.rel.Kind != catalog.View || !t.reach.usage {
		return nil
	}
	if err := s.rebind(ctx, st); err != nil {
		return err
	}
	if err := s.run(ctx, st, t.name(), s.insteadAttacks(ctx, st)); err != nil {
		return err
	}
	base := s.baseOf(t)
	if base == nil || len(base.rowsB) == 0 || len(base.rowsA) == 0 {
		return nil
	}
	st.rowsA, st.rowsB = base.rowsA, base.rowsB
	st.spareA, st.spareB = narrowed(base.spareA, t), narrowed(base.spareB, t)
	st.target.key = base.key
	if !subset(base.key, t.columns()) {
		st.target.key = nil
	}
	if t.tenant == "" { // what it shows is looked at; what is written through it may reach B's
		return s.run(ctx, st, t.name(), s.throughView(st))
	}
	s.control(ctx, st)
	var attacks []attack
	if t.readable() && !st.blind { // else the look before and after B's rows decides
		attacks = append(st.plantedAttacks(), st.leakyAttacks()...)
	}
	if !t.rel.Insertable {
		st.spareB = nil
	}
	if t.rel.Insertable || t.rel.Updatable || len(t.rel.Triggers) > 0 || len(t.rel.Rules) > 0 {
		attacks = append(attacks, st.writeAttacks()...)
		attacks = append(attacks, s.throughView(st)...)
	}
	return s.run(ctx, st, t.name(), attacks)
}

// attackOpenTable writes a row into a table that belongs to no tenant, for what its
// triggers and rules then do.
func (s *stage) attackOpenTable(ctx context.Context, st *site) error {
	a, _ := s.parties()
	var err error
	if st.spareA, err = s.sower.spare(ctx, st, a, nil, 0); err != nil {
		s.report.Skip("triggers and rules of " + st.name() + ": " + prove.Message(err))
		return nil
	}
	if err := s.rebind(ctx, st); err != nil {
		return err
	}
	return s.run(ctx, st, st.name(), s.effectAttacks(ctx, st))
}

// throughView writes B's row through the view and looks at the table.
func (s *stage) throughView(st *site) []attack {
	set := st.settable(st.reach.updates)
	if s.calm == "" || st.key == nil {
		return nil
	}
	where := st.planted("x")
	judge := func(o outcome) finding {
		if change := s.changed(o); change != "" {
			return leak("a write through the view changed tenant B's rows: %s", change)
		}
		return isolated("writes through the view touched nothing of tenant B's")
	}
	var statements []string
	if st.reach.update && set != "" {
		all := "UPDATE " + st.sql() + " x SET " + sqltext.Ident(set) + " = " + lit(st.rowsA[0][set])
		statements = append(statements, all+" WHERE "+where, all)
	}
	if st.reach.delete {
		statements = append(statements, "DELETE FROM "+st.sql()+" x")
	}
	if st.reach.insert && set != "" && len(st.rel.Triggers) > 0 {
		statements = append(statements, st.insert(narrowed(st.rowsB[0].with(row{set: st.rowsA[0][set] + "x"}), st.target)))
	}
	var out []attack
	for _, sql := range statements {
		out = append(out, attack{name: "view write", steps: []string{sql}, watch: s.watch(writing{st.rel}),
			again: s.settle, judge: judge, onError: pastTrigger})
	}
	return out
}

// baseOf is the one table that a view with a tenant column reads.
func (s *stage) baseOf(t *target) *site {
	var found *site
	for _, d := range s.view.Reads(t.rel.QName()) {
		if d.Rule == "_RETURN" && d.On != d.From {
			if st := s.siteOf(d.On); st != nil && s.private(st.target) {
				if st.isTable() {
					found = st
				} else if inner := s.baseOf(st.target); inner != nil {
					found = inner
				}
			}
		}
	}
	return found
}

// narrowed keeps the columns that the relation has.
func narrowed(r row, t *target) row {
	if r == nil {
		return nil
	}
	out := row{}
	for _, c := range t.rel.Columns {
		if v, ok := r[c.Name]; ok {
			out[c.Name] = v
		}
	}
	return out
}
