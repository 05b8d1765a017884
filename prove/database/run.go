package database

import (
	"cmp"
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
		if t.reach.usage && st.remote() {
			if err := p.attackForeign(ctx, st); err != nil {
				return err
			}
		}
		if !t.reach.usage || !st.attackable() {
			continue
		}
		st.s = p.app
		if err := p.rebind(ctx, st); err != nil {
			return err
		}
		p.control(ctx, st)
		if t.readable() {
			if err := p.run(ctx, st, t.name(), slices.Concat(st.readAttacks(), st.flagAttacks(p),
				st.shadowAttacks(p))); err != nil {
				return err
			}
		}
		if t.risky || !t.isTable() {
			continue
		}
		if err := p.run(ctx, st, t.name(), slices.Concat(st.writeAttacks(), st.keyAttacks(p))); err != nil {
			return err
		}
	}
	return nil
}

// remote says whether the rows are on another server, where only the application's own
// mapping shows them.
func (st *site) remote() bool {
	return st.rel.Kind == catalog.ForeignTable && st.seesTenant() && !st.attackable()
}

// attackForeign reads a foreign table's rows of other tenants, whoever they are.
func (p *prover) attackForeign(ctx context.Context, st *site) error {
	st.s = p.app
	if err := p.rebind(ctx, st); err != nil {
		return err
	}
	steps := []string{"SELECT 1 FROM " + st.sql() + " x WHERE " + st.foreign("x") + " LIMIT 5"}
	o := st.s.try(ctx, attempt{as: st.asA, steps: steps})
	if o.err != nil || o.broken != nil || o.last().n == 0 {
		return nil // what its rows show is asked on the stage, and undecided
	}
	return p.run(ctx, st, st.name(), []attack{{name: "foreign table", steps: steps,
		judge: seen("the server behind it knows nothing of the tenant")}})
}

// findParted asks whether a view that cannot be read whole can be queried at all.
func (p *prover) findParted(ctx context.Context, st *site) error {
	if st.rel.Kind != catalog.View || !st.readable() || !st.owned() {
		return nil
	}
	as, err := p.app.bind.to(ctx, st.a)
	if err != nil {
		return err
	}
	asked := func(rest string) outcome {
		return p.app.try(ctx, attempt{as: as, steps: []string{"SELECT " + qualified("x", st.reach.selects) + " FROM " +
			st.sql() + " x" + rest}})
	}
	st.parted = refused(asked(" LIMIT 1").err) && asked(" WHERE false").err == nil
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
	if st.s.bind.bare() && len(p.values) == 0 {
		st.asNobody = st.s.bind.plain(madeTenant(p.model.Type, 9999))
	}
	if st.target != nil && st.readable() {
		st.findMute(ctx)
	}
	st.leaky = p.leakproof()
	st.asB, err = st.s.bind.to(ctx, st.b)
	return err
}

// findMute asks whether the policies themselves fail for a tenant that has no rows: then
// an error beside them tells nothing.
func (st *site) findMute(ctx context.Context) {
	o := st.s.try(ctx, attempt{as: st.asNobody, steps: []string{"SELECT 1 FROM " + st.sql() + " LIMIT 1"}})
	st.mute = o.err != nil
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
	o := st.s.try(ctx, attempt{as: st.asA, steps: []string{"SELECT 1 FROM " + st.sql() + " WHERE " + condition +
		" LIMIT 1"}})
	if o.err == nil && o.broken == nil && o.bound && o.last().n > 0 {
		return
	}
	st.blind = true
	st.closed = p.view.Effective(st.rel, p.role, "SELECT").Denied
}

// run makes the attacks on one object and reports one probe for each name: the
// gravest of its tries, with what was run.
func (p *prover) run(ctx context.Context, st *site, object string, attacks []attack) error {
	var order []string
	byName := map[string]*tally{}
	for _, a := range attacks {
		if a.as == nil {
			a.as = st.asA
		}
		if why := p.heldBack(st, slices.Concat(a.setup, a.steps)); why != "" {
			order = tallied(byName, order, a, notRun(why))
			continue
		}
		o := st.s.try(ctx, attempt{setup: a.setup, as: a.as, steps: a.steps, watch: a.watch})
		if o.err != nil && strings.HasPrefix(o.err.Code, "P0") && st.staged && a.name != "trigger" && a.name != "rule" {
			// The schema's own trigger stopped it. Without triggers the policies decide.
			a.setup = append([]string{"SET LOCAL session_replication_role = replica"}, a.setup...)
			o = st.s.try(ctx, attempt{setup: a.setup, as: a.as, steps: a.steps, watch: a.watch})
		}
		if refused(o.err) && st.target != nil && st.parted {
			continue // says nothing of the parts, which are looked at on the stage
		}
		f := a.decide(st, o)
		if f.verdict == prove.VerdictLeak && a.again != nil {
			f, o = confirm(ctx, a.again, o, func(o outcome) finding { return a.decide(st, o) }, func() outcome {
				return st.s.try(ctx, attempt{setup: a.setup, as: a.as, steps: a.steps, watch: a.watch})
			})
		}
		if p.accept(a, object, f) {
			continue
		}
		if o.broken != nil {
			if err := p.recover(ctx, st); err != nil {
				return fmt.Errorf("%s on %s: %w", a.name, object, err)
			}
		}
		order = tallied(byName, order, a, f)
	}
	for _, name := range order {
		t := byName[name]
		if !st.counts(t.worst.verdict) {
			continue
		}
		p.report.Add(prove.Probe{Attack: name, Object: object, Verdict: t.worst.verdict, Reason: t.worst.reason,
			Script: p.script(st, object, t)})
	}
	return ctx.Err()
}

// accept notes a finding that the baseline covers.
func (p *prover) accept(a attack, object string, f finding) bool {
	kind := cmp.Or(prove.Acceptable(a.name), f.accepts)
	if f.verdict == prove.VerdictIsolated || kind == "" {
		return false
	}
	if a.part != "" {
		object += "." + a.part
	}
	name := strings.TrimPrefix(object, "schema ")
	if object == theConnection {
		name = p.view.Snapshot.Database.Name
	}
	e, ok := p.accepted.Accepts(kind, name)
	if ok {
		p.report.Accepted = append(p.report.Accepted, prove.Accepted{Attack: a.name, Object: object, Found: f.reason,
			Reason: e.Reason, Expires: e.Expires})
	}
	return ok
}

// tallied counts a finding under its attack's name, and notes the names in order.
func tallied(byName map[string]*tally, order []string, a attack, f finding) []string {
	if byName[a.name] == nil {
		byName[a.name] = &tally{}
		order = append(order, a.name)
	}
	byName[a.name].count(a, f)
	return order
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
