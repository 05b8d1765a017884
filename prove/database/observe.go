package database

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
)

// An observable is something that A can look at, and what A saw: twice without B's
// planted rows, once with them.
type observable struct {
	attack, object string
	rel            *catalog.Relation // nil for a function
	function       *catalog.Function // nil for a relation
	sql            []string          // one look each
	writes         bool              // may change rows: look at B's afterwards
	empty          bool              // the last call is one with NULLs: that it succeeds says nothing
	traced         int               // how many looks at the end say something only where they differ
	definer        bool              // runs with the rights of its owner
	bound          bool              // does nothing that the caller's own statements could not do
	trigger        bool              // writes A's own row, for what triggers then do
	nobody         bool              // looks without a tenant
	before, again  []string
	after          []string
	err            *pgconn.PgError // of the last look
	harmed         bool
	slow           bool         // a call ran into the timeout: it is not called again
	final          []string     // once more without B's rows, where something differed
	alike          int          // how often in a row that was as before
	shaky          map[int]bool // looks that differ by themselves
	refusal        string       // why it could not be looked at whole: the looks are at parts of it
	closed         bool         // even a query that needs nothing of it is refused
	// What the operator sees as B: if B's planted rows do not show there, they could
	// not have shown to A.
	wholeBefore, wholeAfter string
}

// step is what looking runs; nil where it is statements of their own.
func (o *observable) step() any {
	switch {
	case o.function != nil:
		return o.function
	case o.rel != nil:
		return writing{o.rel}
	}
	return nil
}

// observables are the relations that have no owner known from their rows, and the
// functions.
func (s *stage) observables() []*observable {
	var out []*observable
	for _, t := range s.targets {
		if !t.reach.usage || len(t.reach.selects) == 0 {
			continue
		}
		if t.isTable() && (s.private(t) || t.class == catalog.PeopleTable) {
			continue // its visible set is compared
		}
		attack := string(t.rel.Kind)
		if t.isTable() {
			attack = "table without tenant"
		}
		out = append(out, &observable{attack: attack, object: t.name(), rel: t.rel, definer: !t.rel.SecurityInvoker,
			sql: []string{s.look(t, t.reach.selects, "")}})
	}
	out = append(out, s.functions()...)
	return append(out, s.unbound(out)...)
}

// look counts and digests columns of what a relation shows, and counts the rows that name B.
func (s *stage) look(t *target, columns []string, where string) string {
	cols := qualified("x", columns)
	return "SELECT count(*), md5(string_agg(h, '' ORDER BY h)), count(*) FILTER (WHERE r LIKE '%" + tag(tagB) +
		"%' OR r LIKE " + lit("%"+s.telling(s.b)+"%") + ") AS of_b FROM (SELECT ROW(" + cols + ")::text AS r, md5(ROW(" +
		cols + ")::text) AS h FROM " + t.sql() + " x" + where + ") y"
}

// telling is a tenant id that can be searched for as text: a short number would be
// found everywhere.
func (s *stage) telling(tenant string) string {
	if len(tenant) < 6 {
		return tag(tagB)
	}
	return tenant
}

// observe looks at all of them as A.
func (s *stage) observe(ctx context.Context, all []*observable, into func(*observable) *[]string) {
	for _, o := range all {
		*into(o) = nil
		for _, sql := range o.sql {
			if o.slow {
				break
			}
			as, err := s.binding(ctx, o)
			if err != nil {
				continue
			}
			saw := s.see(ctx, o, as, sql)
			if s.operator.conn.IsClosed() {
				return
			}
			*into(o) = append(*into(o), saw)
		}
	}
}

// lookAsOperator looks at the relations as B with the operator's rights.
func (s *stage) lookAsOperator(ctx context.Context, all []*observable, into func(*observable) *string) {
	as, err := s.operator.bind.to(ctx, s.b)
	if err != nil {
		return
	}
	for _, o := range all {
		if o.rel == nil || o.nobody {
			continue
		}
		steps := append([]string{"SAVEPOINT moat_look"}, append(slices.Clone(as), o.sql[0])...)
		results, err := s.operator.run(ctx, steps...)
		if err == nil && len(results) > 0 {
			*into(o) = results[len(results)-1].text()
		}
		if _, err := s.operator.run(ctx, "ROLLBACK TO SAVEPOINT moat_look", "RELEASE SAVEPOINT moat_look"); err != nil {
			return
		}
	}
}

// judge compares the looks and reports.
func (s *stage) judge(ctx context.Context, o *observable, first int) {
	f, at := s.compare(ctx, o)
	if f.vacuous {
		return
	}
	if st := s.siteOfObservable(o); st != nil && !st.counts(f.verdict) {
		return
	}
	p := prove.Probe{Attack: o.attack, Object: o.object, Verdict: f.verdict, Reason: f.reason}
	p.Script = s.observation(ctx, o, at, f, first)
	s.report.Add(p)
}

// compare finds the look that betrays B, or says why there is none.
func (s *stage) compare(ctx context.Context, o *observable) (finding, int) {
	if o.slow {
		return undecided("a call ran into statement_timeout, so it was not called again: look at what it reads, run again " +
			"with a longer --statement-timeout, or revoke it"), 0
	}
	unsteady := 0
	for i := range o.after {
		if i >= len(o.before) || i >= len(o.again) {
			break
		}
		switch {
		case withheld(o.after[i]) && (o.after[i] == o.before[i] || o.rel != nil && withheld(o.before[i])):
			continue
		case o.trigger && (ofKey(o.before[i]) || ofKey(o.after[i])):
			continue // the probes of keys speak
		case o.after[i] == o.before[i], s.sownForAll(o) && ofB(o.after[i]) == ofB(o.before[i]):
			continue
		case o.before[i] != o.again[i], i < len(o.final) && o.final[i] != o.before[i], o.shaky[i]:
			if namesB(o.after[i], o.sql[i]) {
				return leak("what tenant A is shown names tenant B's rows"), i
			}
			if i < len(o.sql)-o.traced {
				unsteady++
			}
		default:
			return leak("what %s sees changes when rows of tenant B are planted: %s", o.who(), difference(o)), i
		}
	}
	if f, at := s.harm(ctx, o); f.verdict != "" {
		return f, at
	}
	if why := s.failed[s.targetOf(o)]; why != "" {
		return undecided("it could not be refreshed (%s), so planted rows cannot show in it", why), 0
	}
	if unsteady > 0 && o.trigger {
		return undecided("what triggers do with a row differs each time, so tenant B's part in it cannot be told apart"), 0
	}
	if unsteady > 0 && !o.definer {
		return isolated("it answers differently each time, but with the caller's own rights: it shows what the tables show " +
			"that it reads"), 0
	}
	if unsteady > 0 {
		return undecided("it answers differently each time it is asked, so B's part in it cannot be told apart: look at " +
			"its " +
			"definition, or revoke it"), 0
	}
	return s.unchanged(ctx, o), 0
}

// sownForAll says whether rows of a shared table were planted, for B's to refer to.
func (s *stage) sownForAll(o *observable) bool {
	t := s.targetOf(o)
	return t != nil && t.isTable() && t.class == catalog.SharedTable &&
		slices.ContainsFunc(s.operator.seeds.list, func(sd seed) bool { return sd.table == o.rel.QName() })
}

// ofB is how many rows of a look at a relation name tenant B.
func ofB(look string) string { return look[strings.LastIndexByte(look, '\t')+1:] }

// namesB says whether a look holds a value of B's planted rows that its statement did not give,
// plain or as bytes. Bytes are how raw pages hold it, and those keep what a rollback leaves dead:
// they never come back as they were, so the name alone can tell.
func namesB(look, sql string) bool {
	return ungiven(look, sql) ||
		strings.Contains(look, hex.EncodeToString([]byte(tag(tagB)))) && !sownB.MatchString(sql)
}

// looksForSteadiness is how often a difference must come back the same to count.
const looksForSteadiness = 6

// steady says whether a look comes back the same each time: a value that differs by
// itself betrays nothing.
func (s *stage) steady(ctx context.Context, o *observable, i int) bool {
	as, err := s.binding(ctx, o)
	if err != nil {
		return false
	}
	for range looksForSteadiness {
		if s.see(ctx, o, as, o.sql[i]) != o.after[i] {
			return false
		}
	}
	return true
}

// withheld says whether a look was refused for want of a right.
func withheld(look string) bool { return strings.HasPrefix(look, "error "+codePrivilege) }

// see is one look as A.
func (s *stage) see(ctx context.Context, o *observable, as []string, sql string) string {
	got := s.operator.try(ctx, attempt{as: as, steps: []string{sql}})
	o.err = got.err
	if got.err != nil {
		o.slow = got.err.Code == codeTimeout
		return "error " + got.err.Code + " " + got.err.Message + got.err.Detail
	}
	var b strings.Builder
	for _, r := range got.results {
		b.WriteString(r.text())
	}
	return b.String() + strings.Join(got.notices, "\n")
}

// mostLooks is how often what changed is looked at anew, until nobody else writes beside it.
const mostLooks = 4

// lookAgain looks at what changed once more without B's rows, and plants them anew. Where that
// differs from the look before, others wrote meanwhile, and both looks are repeated. What does not
// differ counts when that shows twice: rows that come and go, as a queue's, may be back as they were.
func (s *stage) lookAgain(ctx context.Context, watched []*observable, seeds []seed) error {
	changed := s.changes(ctx, watched)
	for n := 0; n < mostLooks && len(changed) > 0; n++ {
		if n > 0 {
			for _, o := range changed {
				o.before, o.again = o.final, o.final
			}
			s.observe(ctx, changed, func(o *observable) *[]string { return &o.after })
			changed = s.changes(ctx, changed)
		}
		if err := s.mark(ctx, "ROLLBACK TO SAVEPOINT moat_b"); err != nil {
			return err
		}
		s.observe(ctx, changed, func(o *observable) *[]string { return &o.final })
		if err := s.replay(ctx, seeds); err != nil {
			return err
		}
		s.refresh(ctx)
		changed = slices.DeleteFunc(changed, func(o *observable) bool {
			if !slices.Equal(o.final, o.before) {
				o.alike = 0
				return false
			}
			o.alike++
			return o.alike > 1
		})
	}
	return nil
}

// changes returns what some look has changed in, and notes which looks differ by themselves:
// that is asked at once, since whatever is planted next may change them too.
func (s *stage) changes(ctx context.Context, all []*observable) []*observable {
	var changed []*observable
	for _, o := range all {
		o.shaky = map[int]bool{}
		differs := false
		for i := range o.after {
			if i < len(o.before) && i < len(o.again) && o.after[i] != o.before[i] {
				alike := o.before[i] == o.again[i]
				o.shaky[i] = alike && !s.steady(ctx, o, i)
				differs = differs || alike && !o.shaky[i] || !alike && o.definer
			}
		}
		if differs {
			changed = append(changed, o)
		}
	}
	return changed
}

func difference(o *observable) string {
	switch {
	case o.trigger:
		return "what triggers do with its own row, or say of it, differs"
	case o.rel == nil:
		return "the function's result differs"
	}
	return "its rows differ"
}

func (o *observable) who() string {
	if o.nobody {
		return "a session without tenant"
	}
	return "tenant A"
}

// ofKey says whether a look is a key's error.
func ofKey(look string) bool {
	code, is := strings.CutPrefix(look, "error ")
	return is && len(code) > 4 && constraint(&pgconn.PgError{Code: code[:5]})
}

func (s *stage) siteOfObservable(o *observable) *site {
	if t := s.targetOf(o); t != nil {
		return s.sites[t]
	}
	return nil
}

func (s *stage) targetOf(o *observable) *target {
	if o.rel == nil {
		return nil
	}
	return s.byName[o.rel.QName()]
}

// unchanged says what it is worth that nothing changed.
func (s *stage) unchanged(ctx context.Context, o *observable) finding {
	if len(o.after) == 0 {
		return undecided("it could not be looked at")
	}
	if o.trigger && o.traced == len(o.sql) {
		return nothingLeft(o)
	}
	after := o.asked(o.after)
	if o.refusal != "" {
		return s.inParts(o)
	}
	refusals, errs := 0, 0
	for _, a := range after {
		if withheld(a) {
			refusals++
		} else if strings.HasPrefix(a, "error ") {
			errs++
		}
	}
	switch {
	case o.nobody:
		return isolated("without a tenant it does not depend on tenant B's rows")
	case o.trigger && errs > 0:
		return undecided("a row of tenant A's own that names tenant B's is stopped by the schema's own code (%s), so what "+
			"triggers read could not show", strings.TrimPrefix(firstError(after), "error "))
	case o.trigger:
		return isolated("what triggers do with tenant A's own row does not depend on the rows of tenant B that it names")
	case refusals == len(after):
		return isolated("refused: %s", strings.TrimPrefix(o.after[0], "error "+codePrivilege+" "))
	case errs+refusals == len(after) && o.bound:
		return isolated("no call succeeded (%s), and it has the caller's own rights: it reaches no more than the "+
			"statements that were tried on each table", strings.TrimPrefix(o.after[0], "error "))
	case errs+refusals == len(after) && o.function != nil && s.worksForA(ctx, o):
		return isolated("it refuses tenant B's ids (%s), and takes tenant A's own", strings.TrimPrefix(o.after[0], "error "))
	case errs+refusals == len(after):
		return undecided("no call succeeded (%s): call it with arguments it accepts",
			strings.TrimPrefix(o.after[0], "error "))
	case o.rel != nil && o.rel.Kind == catalog.ForeignTable:
		return undecided("a foreign table has no policies, and rows cannot be planted behind it: revoke it, or show that " +
			"the remote side filters by tenant")
	case o.rel != nil && (o.rel.Kind == catalog.Table || o.rel.Kind == catalog.PartitionedTable):
		if t := s.targetOf(o); t != nil && t.class == catalog.SharedTable {
			return isolated("it is the same for every tenant, and rows planted for tenant B leave no trace in it")
		}
		if s.emptyFor(o) {
			return isolated("tenant A sees no row of it, and rows planted for tenant B leave no trace in it")
		}
		return undecided("it has neither a tenant column nor a foreign key to a tenant, and the application role reads it: " +
			"name it under tables.shared or tables.ignore, or protect it")
	}
	if name := s.untold(o); name != "" {
		return undecided("it shows %s with the rights of its owner, and whose rows those are nobody can tell: revoke it, or "+
			"protect the table", name)
	}
	none := o.rel != nil && o.wholeBefore == o.wholeAfter && s.readsTenants(o.rel)
	if none && !o.definer {
		return isolated("none of the rows planted for tenant B falls under its conditions, and it has the caller's own " +
			"rights: it shows what the tables show that it reads")
	}
	if none {
		return undecided("none of the rows planted for tenant B falls under its conditions, so none could show: give " +
			"tenant " +
			"B a row that it selects, and look as tenant A")
	}
	return isolated("what tenant A sees does not depend on tenant B's rows")
}

// asked are the looks, or what they showed, of which each says something.
func (o *observable) asked(looks []string) []string {
	n := len(o.sql) - o.traced
	if o.empty {
		n--
	}
	return looks[:min(len(looks), n)]
}

func firstError(looks []string) string {
	i := slices.IndexFunc(looks, func(l string) bool { return strings.HasPrefix(l, "error ") })
	return looks[i]
}

// readsTenants says whether a view leads to a table that belongs to tenants.
func (s *stage) readsTenants(r *catalog.Relation) bool {
	return slices.ContainsFunc(sources(s.view.Lookup, r), func(to *catalog.Relation) bool {
		t := s.byName[to.QName()]
		return t != nil && s.private(t) && t.isTable()
	})
}

func (s *stage) emptyFor(o *observable) bool {
	return len(o.after) > 0 && strings.HasPrefix(o.after[0], "0\t") && o.rel.RLS
}
