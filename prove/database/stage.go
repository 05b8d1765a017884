package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
)

// The stage is one transaction of the operator's in which rows of both tenants are
// planted, the application role is acted, and everything is rolled back. It reaches
// what committed rows cannot show: empty tables, rows of every shape, what triggers,
// references and functions do to other tenants' rows.
type stage struct {
	*prover
	sower *sower
	sites map[*target]*site // with the planted rows
	// failed says why a table could not be planted.
	failed map[*target]string
	// calm is what the integrity query says before any attack.
	calm string
	// disturbed counts, by table, how often others had changed B's rows since the last look.
	disturbed map[string]int
	// swept are the parts of the sweep; nil until it is first asked for.
	swept []string
}

// variants is how many rows of differing shape are planted for B. A gets fewer: they
// only show that A sees rows at all.
const variants = 8

// attackStage plants, attacks, and rolls back.
func (p *prover) attackStage(ctx context.Context) error {
	if err := p.operator.restart(ctx); err != nil {
		return err
	}
	s := &stage{prover: p, sower: newSower(p, p.operator), sites: map[*target]*site{}, failed: map[*target]string{},
		disturbed: map[string]int{}}
	for t, st := range p.sites {
		planted := *st
		planted.rowsA, planted.rowsB, planted.s, planted.staged = nil, nil, p.operator, true
		s.sites[t] = &planted
	}
	if err := s.canAct(ctx); err != nil {
		return s.giveUp(err)
	}
	s.enclose(ctx)
	outer := p.sites
	p.sites = s.sites // references find the planted rows
	defer func() { p.sites = outer; p.outside.release() }()
	if err := s.set(ctx, outer); err != nil {
		return err
	}
	for _, t := range p.targets {
		if err := s.attackTable(ctx, t, outer[t]); err != nil {
			return err
		}
	}
	if err := s.attackTraps(ctx); err != nil {
		return err
	}
	return p.operator.restart(ctx)
}

// canAct tries to become the application role.
func (s *stage) canAct(ctx context.Context) error {
	o := s.operator.try(ctx, attempt{steps: []string{"SELECT current_user"}})
	if o.broken != nil {
		return o.broken
	}
	if o.err != nil {
		return o.err
	}
	return nil
}

// giveUp reports each table that needed the stage as undecided.
func (s *stage) giveUp(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	for _, t := range s.targets {
		if s.private(t) && t.reach.usage && t.isTable() && (!s.prover.sites[t].attackable() || t.risky) &&
			!(t.rel.Partition && !t.readable()) {
			s.report.Add(prove.Probe{Attack: "planted rows", Object: t.name(), Verdict: prove.VerdictUndecided,
				Reason: fmt.Sprintf("the operator cannot act as %s (%s): connect as a superuser, or grant it the role", s.role,
					prove.Message(pg))})
		}
	}
	s.report.Skip("planted rows, triggers, cascades, views without a tenant column and functions: the operator cannot " +
		"act as the application role; connect as a superuser, or grant it that role")
	return s.giveUpObjects()
}

// giveUpObjects says of each view and function that it could not be judged.
func (s *stage) giveUpObjects() error {
	for _, o := range s.observables() {
		s.report.Add(prove.Probe{Attack: o.attack, Object: o.object, Verdict: prove.VerdictUndecided,
			Reason: fmt.Sprintf("the operator cannot act as %s, so no rows could be planted to see whether they show: connect "+
				"as a superuser, or grant it the role", s.role)})
	}
	return nil
}

// enclose fences the sequences, where that changes no schema that an event trigger
// watches, and holds triggers back.
func (s *stage) enclose(ctx context.Context) {
	why := s.outside.events()
	if s.Disposable {
		why = ""
	}
	if why == "" {
		if err := s.fence(ctx); err != nil {
			why = prove.Message(err)
		}
	}
	if s.outside.unfenced = why != ""; s.outside.unfenced {
		s.report.Skip("sequences could not be fenced (" + why + "): triggers and functions that draw numbers were not run")
	}
	s.outside.forget()
	s.hold(ctx)
}

// fence puts every sequence into the transaction. ALTER SEQUENCE … RESTART is
// transactional where nextval is not: numbers drawn from here on go with the rollback.
func (s *stage) fence(ctx context.Context) error {
	_, err := s.operator.guarded(ctx, `DO $fence$
DECLARE q record; n numeric;
BEGIN
    FOR q IN SELECT c.oid::regclass AS name, s.seqincrement AS step, s.seqmax AS top, s.seqmin AS low
             FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
             WHERE c.relpersistence <> 't'
    LOOP
        EXECUTE 'SELECT last_value FROM ' || q.name INTO n;
        n := least(greatest(n + q.step, q.low), q.top);
        EXECUTE 'ALTER SEQUENCE ' || q.name || ' RESTART WITH ' || n;
    END LOOP;
END $fence$`)
	return err
}

// set plants the rows: A's first; then, between two looks at all that A can see,
// B's. What A sees must not depend on B.
func (s *stage) set(ctx context.Context, committed map[*target]*site) error {
	a, b := s.parties()
	s.plantAll(ctx, a, 3, committed)
	s.spareOwn(ctx, a)
	if err := s.mark(ctx, "SAVEPOINT moat_b"); err != nil {
		return err
	}
	first := len(s.operator.seeds.list)
	s.plantAll(ctx, b, variants, committed)
	seeds := s.operator.seeds.list[first:]
	pointed, with := s.pointed(ctx), s.traces(ctx)
	s.operator.seeds.list = s.operator.seeds.list[:first+len(seeds)]
	if err := s.mark(ctx, "ROLLBACK TO SAVEPOINT moat_b"); err != nil {
		return err
	}
	watched := s.leaveTraces(append(s.observables(), pointed...), unchangedTraces(with, s.traces(ctx)))
	s.observe(ctx, watched, func(o *observable) *[]string { return &o.before })
	s.divide(ctx, watched)
	s.observe(ctx, watched, func(o *observable) *[]string { return &o.again })
	s.lookAsOperator(ctx, watched, func(o *observable) *string { return &o.wholeBefore })
	if err := s.replay(ctx, seeds); err != nil {
		return err
	}
	s.refresh(ctx)
	s.observe(ctx, watched, func(o *observable) *[]string { return &o.after })
	s.lookAsOperator(ctx, watched, func(o *observable) *string { return &o.wholeAfter })
	if err := s.lookAgain(ctx, watched, seeds); err != nil {
		return err
	}
	s.spares(ctx, a, b)
	s.calm = s.integrity(ctx)
	for _, o := range watched {
		s.judge(ctx, o, first)
	}
	return s.operator.alive(ctx)
}

// spares makes the rows that attacks insert, with the parents they need, before the
// integrity of B's rows is noted.
func (s *stage) spares(ctx context.Context, a, b party) {
	for _, t := range s.targets {
		if st := s.sites[t]; len(st.rowsA) > 0 && len(st.rowsB) > 0 {
			st.spareA, _ = s.spareOf(ctx, st, a, st.rowsA[0])
			st.spareB, _ = s.sower.spare(ctx, st, b, st.rowsB[0], 0)
		}
	}
}

// spareOwn makes the rows that A writes where code with an owner's rights runs, before anything
// is noted.
func (s *stage) spareOwn(ctx context.Context, a party) {
	for _, t := range s.targets {
		if st := s.sites[t]; t.isTable() && t.reach.insert && len(st.rowsA) > 0 && s.consults(t) {
			var err error
			if st.spareA, err = s.spareOf(ctx, st, a, st.rowsA[0]); err != nil {
				s.report.Skip("what triggers of " + t.name() + " do with new rows: " + prove.Message(err))
			}
		}
	}
}

// spareOf makes a row of A's that A may insert: where the schema's own code stops one that refers to
// what a committed row refers to, which may be another tenant's, one with parents of its own.
func (s *stage) spareOf(ctx context.Context, st *site, a party, base row) (row, error) {
	r, err := s.sower.spare(ctx, st, a, base, 0)
	as, failed := s.operator.bind.to(ctx, s.a)
	if err != nil || failed != nil || !st.reach.insert || !s.fires(st.target) {
		return r, err
	}
	if s.stops(ctx, as, st.insert(r)) {
		if fresh, err := s.sower.spare(ctx, st, a, base, 1); err == nil && !s.stops(ctx, as, st.insert(fresh)) {
			return fresh, nil
		}
	}
	return r, nil
}

// stops says whether the schema's own code stops a statement.
func (s *stage) stops(ctx context.Context, as []string, sql string) bool {
	o := s.operator.try(ctx, attempt{as: as, steps: []string{sql}})
	return o.err != nil && strings.HasPrefix(o.err.Code, "P0")
}

func (s *stage) mark(ctx context.Context, sql string) error {
	_, err := s.operator.run(ctx, sql)
	return err
}

// replay plants the same rows again, statement by statement.
func (s *stage) replay(ctx context.Context, seeds []seed) error {
	for _, sd := range seeds {
		if _, err := s.operator.guarded(ctx, sd.statements()...); err != nil {
			return fmt.Errorf("plant %s again: %w", sd.table, err)
		}
	}
	return nil
}

// plantAll plants rows of one tenant in every table that belongs to tenants.
func (s *stage) plantAll(ctx context.Context, by party, n int, committed map[*target]*site) {
	for _, t := range s.targets {
		st := s.sites[t]
		if !t.isTable() || !s.private(t) {
			continue
		}
		for variant := range n {
			if t.class == catalog.TenantsTable {
				if len(st.rowsFor(by)) > 0 {
					break
				}
				if real := committed[t].rowsFor(by); len(real) > 0 {
					st.remember(by, real[0])
					break
				}
			}
			r, err := s.sower.plant(ctx, st, by, s.template(committed[t], by, variant), variant)
			if err == nil {
				st.remember(by, r)
			} else if variant == 0 {
				s.failed[t] = prove.Message(err)
				break
			}
		}
	}
}

// template is the committed row to start from: the tenant's own, else anyone's.
func (s *stage) template(st *site, by party, variant int) row {
	rows := st.rowsFor(by)
	if len(rows) == 0 {
		rows = slices.Concat(st.rowsA, st.rowsB)
		if len(rows) == 0 {
			return nil
		}
		// Another tenant's row: what it refers to is not this tenant's.
		r := rows[0].with(nil)
		for _, c := range st.rel.Constraints {
			if c.Type == catalog.ForeignKey {
				for _, name := range c.Columns {
					delete(r, name)
				}
			}
		}
		return r
	}
	return rows[variant%len(rows)]
}

// refresh fills materialized views anew, so that they show B's rows as the next
// scheduled refresh would.
func (s *stage) refresh(ctx context.Context) {
	for _, t := range s.targets {
		if t.rel.Kind == catalog.MaterializedView && t.readable() {
			if why := s.outside.events(); why != "" && !s.Disposable {
				s.failed[t] = why
				continue
			}
			if _, err := s.operator.guarded(ctx, "REFRESH MATERIALIZED VIEW "+t.sql()); err != nil {
				s.failed[t] = prove.Message(err)
			}
		}
	}
}

// planted is the condition that picks B's planted rows, as the operator sees them.
func (st *site) planted(alias string) string {
	key := st.key
	if len(key) == 0 {
		if st.tenant != "" {
			return alias + "." + sqltext.Ident(st.tenant) + " = " + lit(st.b)
		}
		key = st.columns()
	}
	return "(" + list.Join(st.rowsB, " OR ", func(r row) string { return "(" + r.matches(alias+".", key) + ")" }) + ")"
}

// attackTable runs, on planted rows, what committed rows could not show.
func (s *stage) attackTable(ctx context.Context, t *target, committed *site) error {
	st := s.sites[t]
	if !t.reach.usage || !s.private(t) || !t.isTable() {
		return s.attackView(ctx, t)
	}
	if len(st.rowsA) == 0 || len(st.rowsB) == 0 {
		return s.unplanted(ctx, t, committed)
	}
	if err := s.rebind(ctx, st); err != nil {
		return err
	}
	st.count(ctx, s.operator)
	s.control(ctx, st)
	if t.readable() {
		if err := s.run(ctx, st, t.name(), st.plantedAttacks()); err != nil {
			return err
		}
	}
	if err := s.missing(ctx, st, committed); err != nil {
		return err
	}
	return s.run(ctx, st, t.name(), slices.Concat(s.effectAttacks(ctx, st), s.stealAttack(ctx, st),
		s.cascadeAttacks(ctx, st), s.ownerAttack(st), s.nearestAttacks(ctx, st)))
}

// missing runs the families that were left out on committed rows.
func (s *stage) missing(ctx context.Context, st, committed *site) error {
	var attacks []attack
	if !committed.attackable() && st.readable() {
		attacks = slices.Concat(st.readAttacks(), st.flagAttacks(s.prover), st.shadowAttacks(s.prover))
	}
	if !committed.attackable() || st.risky {
		attacks = slices.Concat(attacks, st.writeAttacks(), st.keyAttacks(s.prover))
		for _, who := range s.nobodies(ctx, s.operator) {
			if s.seesEverybodys(who, st.target) {
				continue
			}
			attacks = append(attacks, st.unboundAttacks(who.name, who.as)...)
		}
	} else if committed.spareA == nil || committed.spareB == nil {
		attacks = slices.Concat(attacks, st.insertAttacks(), st.keyAttacks(s.prover))
	}
	return s.run(ctx, st, st.name(), attacks)
}

// plantedAttacks read rows of B of every shape that policies and checks make a
// difference of.
func (st *site) plantedAttacks() []attack {
	where := st.attacked("x")
	if where == "" {
		return nil
	}
	from := "SELECT " + qualified("x", st.reach.selects) + " FROM " + st.sql() + " x WHERE "
	planted := attack{name: "planted rows", steps: []string{from + where + " LIMIT 20"},
		judge: seen("of " + english.Count(len(st.rowsB), "row") + " of differing shape planted for B")}
	out := []attack{planted}
	// What a policy says and stops at is told from what else there is by a row of moat's own making.
	made := slices.DeleteFunc(slices.Clone(st.rowsB), func(r row) bool { return !st.holdsText(r) })
	if where := st.listed("x.", made); where != "" && st.risky && len(made) < len(st.rowsB) {
		planted.steps = []string{from + where}
		out = append(out, planted)
		if set := st.settable(st.reach.updates); st.reach.update && set != "" {
			planted.steps = []string{"UPDATE " + st.sql() + " x SET " + sqltext.Ident(set) + " = " + lit(made[0][set]) +
				" WHERE " + where}
			out = append(out, planted)
		}
	}
	return out
}

// unplanted judges a table in which no rows could be planted: by its committed
// rows if it has them, by the plan if no policy lets anyone in, else not at all.
func (s *stage) unplanted(ctx context.Context, t *target, committed *site) error {
	why := s.failed[t]
	if why == "" {
		why = "a row could not be made"
	}
	st := s.sites[t]
	if err := s.rebind(ctx, st); err != nil {
		return err
	}
	compared := s.model.Shapes.Any() && s.shapedTable(t) && t.readable() && s.holdsRows(ctx, t)
	if (committed.attackable() || compared) && !t.risky {
		s.report.Skip(fmt.Sprintf("planted rows in %s (%s); its committed rows were attacked", t.name(), why))
		return nil
	}
	return s.run(ctx, st, t.name(), []attack{st.closedAttack(why)})
}

// holdsRows says whether there is any row in a table: sets without rows are equal whatever the policies say.
func (s *stage) holdsRows(ctx context.Context, t *target) bool {
	results, err := s.operator.guarded(ctx, "SELECT 1 FROM "+t.sql()+" LIMIT 1")
	return err == nil && len(results) > 0 && len(results[0].rows) > 0
}

// closedAttack asks the planner: a table that no policy opens is planned as "never".
func (st *site) closedAttack(why string) attack {
	return attack{name: "read", steps: []string{"EXPLAIN (COSTS OFF) SELECT 1 FROM " + st.sql()},
		judge: func(o outcome) finding {
			if strings.Contains(o.last().text(), "One-Time Filter: false") {
				return isolated("closed to every tenant: the plan can return no row")
			}
			return undecided("no rows of two tenants are seen here, and none could be planted (%s): put a row of each in, "+
				"grant what is missing, or connect as a role that no policy binds", why)
		}}
}

// ownerAttack reads as the table's owner, with A's tenant: without FORCE the owner
// sees every row, and so does each view, function and reference check of the owner's.
func (s *stage) ownerAttack(st *site) []attack {
	owner := st.rel.Owner
	role := s.view.Role(owner)
	if role == nil || role.Super || role.BypassRLS || st.rel.Partition || !st.rel.RLS {
		return nil
	}
	as := slices.Concat(st.asA, []string{s.operator.unbecome(), "SET LOCAL ROLE " + sqltext.Ident(owner),
		"SET LOCAL row_security = on"})
	return []attack{{name: "owner", as: as, steps: []string{"SELECT 1 FROM " + st.sql() + " x WHERE " + st.planted("x") +
		" LIMIT 5"},
		judge: func(o outcome) finding {
			if o.last().n > 0 {
				return leak("row-level security is not forced: the owner %s sees tenant B's rows, and so does every view and "+
					"function that runs as the owner", owner)
			}
			return isolated("the owner's own statements are filtered")
		}}}
}
