package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
)

// attackRows attacks, on the application's own connection, the tables in which both
// tenants have committed rows. Tables whose writes fire triggers or rules wait for
// the stage, where what those do can be taken back and looked at.
func (p *prover) attackRows(ctx context.Context) error {
	for _, t := range p.targets {
		st := p.sites[t]
		if !t.reach.usage || !st.attackable() {
			continue
		}
		st.s = p.app
		if err := p.rebind(ctx, st); err != nil {
			return err
		}
		p.control(ctx, st)
		if t.readable() {
			if err := p.run(ctx, st, t.name(), slices.Concat(st.readAttacks(), st.flagAttacks(p), st.shadowAttacks(p))); err != nil {
				return err
			}
		}
		if t.risky(p.snap) || !t.isTable() {
			continue
		}
		if err := p.run(ctx, st, t.name(), slices.Concat(st.writeAttacks(), st.keyAttacks(p))); err != nil {
			return err
		}
	}
	return nil
}

// attackable says whether both tenants have rows that are known to be theirs.
func (st *site) attackable() bool { return len(st.rowsA) > 0 && len(st.rowsB) > 0 }

// prepareSpares makes rows that could be inserted, from the committed ones. Without
// them the probes that insert are left out here and made up for on the stage.
func (p *prover) prepareSpares(ctx context.Context, w *sower, st *site) {
	a, b := p.parties()
	if len(st.rowsA) > 0 {
		st.spareA, _ = w.spare(ctx, st, a, st.rowsA[0], 0)
	}
	if len(st.rowsB) > 0 {
		st.spareB, _ = w.spare(ctx, st, b, st.rowsB[0], 0)
	}
}

// rebind refreshes the statements that bind A and B on the site's session.
func (p *prover) rebind(ctx context.Context, st *site) error {
	var err error
	if st.asA, err = st.s.bind.to(ctx, st.a); err != nil {
		return err
	}
	st.asNobody = []string{}
	if p.Sealer == nil && len(p.values) == 0 {
		st.asNobody = st.s.bind.plain(madeTenant(p.model.Type, 9999))
	}
	st.leaky = p.leakproof()
	st.asB, err = st.s.bind.to(ctx, st.b)
	return err
}

// control asks whether A sees A's own rows. If not, seeing none of B's shows nothing.
func (p *prover) control(ctx context.Context, st *site) {
	st.blind, st.closed = false, false
	if !st.readable() {
		return
	}
	condition := ""
	if st.seesTenant() {
		condition = sqltext.Ident(st.tenant) + " = " + lit(st.a)
	} else if key := st.identifying(); len(key) > 0 {
		condition = st.rowsA[0].matches("", key)
	} else {
		return
	}
	o := st.s.try(ctx, attempt{as: st.asA, steps: []string{"SELECT 1 FROM " + st.sql() + " WHERE " + condition + " LIMIT 1"}})
	if o.err == nil && o.broken == nil && o.bound && o.last().n > 0 {
		return
	}
	st.blind = true
	st.closed = st.rel.RLS && !p.admits(st.rel, "SELECT")
}

// admits says whether some permissive policy lets the application role at rows for
// the command.
func (p *prover) admits(r *catalog.Relation, command string) bool {
	mine := p.memberships()
	return slices.ContainsFunc(r.Policies, func(pol catalog.Policy) bool {
		return pol.Permissive && (pol.Command == "ALL" || pol.Command == command) && slices.ContainsFunc(pol.Roles, func(role string) bool {
			return role == "" || slices.Contains(mine, role)
		})
	})
}

// memberships lists the application role and every role it is a member of.
func (p *prover) memberships() []string { return p.lookup.RolesOf(p.role, catalog.Member) }

// run makes the attacks on one object and reports one probe for each name: the
// gravest of its tries, with what was run.
func (p *prover) run(ctx context.Context, st *site, object string, attacks []attack) error {
	var order []string
	byName := map[string]*tally{}
	for _, a := range attacks {
		if a.as == nil {
			a.as = st.asA
		}
		o := st.s.try(ctx, attempt{setup: a.setup, as: a.as, steps: a.steps, watch: a.watch})
		if o.err != nil && strings.HasPrefix(o.err.Code, "P0") && st.staged && a.name != "trigger" && a.name != "rule" {
			// The schema's own trigger stopped it. Without triggers the policies decide.
			a.setup = append([]string{"SET LOCAL session_replication_role = replica"}, a.setup...)
			o = st.s.try(ctx, attempt{setup: a.setup, as: a.as, steps: a.steps, watch: a.watch})
		}
		f := a.decide(st, o)
		if o.broken != nil {
			if err := p.recover(ctx, st); err != nil {
				return fmt.Errorf("%s on %s: %w", a.name, object, err)
			}
		}
		if byName[a.name] == nil {
			byName[a.name] = &tally{}
			order = append(order, a.name)
		}
		byName[a.name].count(a, f)
	}
	for _, name := range order {
		t := byName[name]
		p.report.Add(prove.Probe{Attack: name, Object: object, Verdict: t.worst.verdict, Reason: t.worst.reason, Script: p.script(st, object, t)})
	}
	return ctx.Err()
}

// tally gathers the tries of one attack on one object: all of them while they are
// isolated, else the gravest.
type tally struct {
	tries []attack
	worst finding
}

func (t *tally) count(a attack, f finding) {
	switch {
	case len(t.tries) == 0 || prove.Worst(t.worst.verdict, f.verdict) != t.worst.verdict:
		t.tries, t.worst = []attack{a}, f
		if f.verdict == prove.VerdictIsolated {
			t.tries = []attack{a}
		}
	case f.verdict == prove.VerdictIsolated && t.worst.verdict == prove.VerdictIsolated:
		t.tries = append(t.tries, a)
	}
}

// recover replaces a broken application session; a broken stage cannot be
// replaced, since its rows are gone.
func (p *prover) recover(ctx context.Context, st *site) error {
	if st.staged || st.s == p.operator {
		return fmt.Errorf("the operator's connection was lost")
	}
	p.app.close()
	app, err := p.open(ctx, p.appConfig, nil)
	if err != nil {
		return fmt.Errorf("connect again: %w", err)
	}
	p.app, st.s = app, app
	return p.rebind(ctx, st)
}

// script writes what was run as a file for psql.
func (p *prover) script(st *site, object string, t *tally) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- moat prove: %s on %s: %s\n", t.tries[0].name, object, t.worst.verdict)
	for line := range strings.Lines(t.worst.reason) {
		fmt.Fprintf(&b, "-- %s\n", strings.TrimRight(line, "\n"))
	}
	if p.Sealer != nil {
		b.WriteString("-- The token below was bound to the connection that ran this; sign another for yours.\n")
	}
	if st.staged {
		fmt.Fprintf(&b, "-- Run as the operator: it plants rows, becomes %s, and rolls all of it back.\n", p.role)
	} else {
		fmt.Fprintf(&b, "-- Run as the application role %s; it is rolled back.\n", p.role)
	}
	b.WriteString("BEGIN;\n" + immediate + ";\n")
	if st.staged {
		put(&b, st.s.closure(p, st.relation()))
	}
	for i, a := range t.tries {
		if len(t.tries) > 1 {
			put(&b, []string{"SAVEPOINT moat_try"})
		}
		put(&b, a.setup, st.s.become, a.as, a.steps)
		if len(a.watch) > 0 {
			b.WriteString("-- What the operator then sees:\n")
			put(&b, []string{st.s.unbecome()}, a.watch)
		}
		if len(t.tries) > 1 {
			put(&b, []string{"ROLLBACK TO SAVEPOINT moat_try"})
		}
		if i == len(t.tries)-1 {
			b.WriteString("ROLLBACK;")
		}
	}
	return b.String()
}

// put writes statements, one on a line.
func put(b *strings.Builder, lists ...[]string) {
	for _, list := range lists {
		for _, s := range list {
			b.WriteString(s + ";\n")
		}
	}
}

// relation is the site's relation, nil for the connection.
func (st *site) relation() *catalog.Relation {
	if st.target == nil {
		return nil
	}
	return st.target.rel
}

// closure returns the seeding statements that a relation needs: its own rows and
// those they refer to; for anything but a table, all.
func (s *session) closure(p *prover, r *catalog.Relation) []string {
	var need map[catalog.QName]bool
	if r != nil {
		need = map[catalog.QName]bool{r.QName(): true}
		p.follow(need, r)
	}
	var out []string
	for _, sd := range s.seeds {
		if need == nil || need[sd.table] {
			out = append(out, sd.sql...)
		}
	}
	return out
}

// follow adds what a relation refers to or reads.
func (p *prover) follow(need map[catalog.QName]bool, r *catalog.Relation) {
	next := append([]catalog.QName{}, r.ParentNames...)
	for _, c := range r.Constraints {
		if c.Type == catalog.ForeignKey {
			next = append(next, c.References)
		}
	}
	for _, d := range p.snap.Dependencies {
		if d.From == r.QName() {
			next = append(next, d.On)
		}
	}
	for _, q := range next {
		if !need[q] {
			need[q] = true
			if to := p.relation(q); to != nil {
				p.follow(need, to)
			}
		}
	}
}
