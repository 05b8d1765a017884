package database

import (
	"context"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
)

// What runs with an owner's rights may write what it read of tenant B where tenant A can read it,
// in any form: in capitals, cut short, as a sum or a digest. No search for B's values finds that.
// But what A's own write leaves must not depend on B's rows at all, so A makes the same write and
// looks at the same tables with B's rows and without them.

// mostTraced is how many calls of a function are made once more for what they leave.
const mostTraced = 4

// traces are the looks at what A can read, of relations where code with an owner's rights may leave
// something, with what each shows.
func (s *stage) traces(ctx context.Context) map[string]string {
	out := map[string]string{}
	as, err := s.operator.bind.to(ctx, s.a)
	if err != nil {
		return out
	}
	for _, t := range s.targets {
		if !t.readable() || t.rel.Partition || t.rel.Kind == catalog.ForeignTable || !s.leftIn(t) {
			continue
		}
		sql := s.trace(t)
		if o := s.operator.try(ctx, attempt{as: as, steps: []string{sql}}); o.err == nil && o.broken == nil {
			out[sql] = o.last().text()
		}
	}
	return out
}

// leftIn says whether a function with its owner's rights, or a rule, may write to a relation, or
// to one that it shows.
func (s *stage) leftIn(t *target) bool {
	if t.rel.Kind == catalog.View {
		return slices.ContainsFunc(s.view.Beneath(t.rel.QName()), s.written)
	}
	return t.isTable() && t.rel.Estimate.Rows <= fewRows && s.written(t.rel.QName())
}

func (s *stage) written(name catalog.QName) bool {
	ruled := func(r catalog.Relation) bool {
		return slices.ContainsFunc(r.Rules, func(x catalog.Rule) bool {
			return strings.Contains(x.Definition, sqltext.Ident(name.Name))
		})
	}
	return slices.ContainsFunc(s.view.Snapshot.Functions, func(f catalog.Function) bool {
		if !f.Definer || f.System || f.Extension != "" {
			return false
		}
		used := body.Scan(&f)
		_, writes := used.Of(name)
		return writes || used.Dynamic || used.Foreign
	}) || slices.ContainsFunc(s.view.Snapshot.Relations, ruled)
}

// trace counts and digests a relation's rows, but for columns whose values are new each time.
func (s *stage) trace(t *target) string {
	cols := slices.DeleteFunc(slices.Clone(t.reach.selects), func(name string) bool {
		c := t.column(name)
		return c.Identity != "" || c.Generated != "" || strings.ContainsRune(c.Default, '(') ||
			strings.HasPrefix(c.Default, "CURRENT_") || strings.HasPrefix(c.Default, "LOCALTIME")
	})
	row := "ROW(" + qualified("x", cols) + ")::text"
	return "SELECT " + lit(t.name()) + " AS relation, count(*), md5(string_agg(" + row + ", '|' ORDER BY " + row +
		")) FROM " + t.sql() + " x"
}

// unchangedTraces joins the looks that show the same with B's rows as without them: only of
// those does a write's part in a difference show.
func unchangedTraces(with, without map[string]string) string {
	var all []string
	for sql, saw := range with {
		if without[sql] == saw {
			all = append(all, sql)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " UNION ALL ")
}

// leaveTraces adds what writes of A's, and calls by it, leave to the looks.
func (s *stage) leaveTraces(watched []*observable, trace string) []*observable {
	for _, o := range watched {
		if trace == "" || o.function == nil || o.nobody || !o.writes || !o.definer {
			continue
		}
		for _, call := range o.asked(o.sql)[:min(mostTraced, len(o.asked(o.sql)))] {
			o.sql, o.traced = append(o.sql, call+";\n"+trace), o.traced+1
		}
	}
	return append(watched, s.leftByWrites(trace)...)
}

// leftByWrites are A's own writes, where code with an owner's rights runs with them.
func (s *stage) leftByWrites(trace string) []*observable {
	var out []*observable
	for _, t := range s.targets {
		st := s.sites[t]
		o := &observable{attack: "left behind", object: t.name(), trigger: true}
		switch {
		case !t.reach.usage || !s.consults(t):
		case t.isTable() && s.private(t) && len(st.rowsA) > 0:
			o.sql = st.ownWrites()
		case t.rel.Kind == catalog.View && s.fires(t):
			for _, to := range s.ledTo(t) {
				o.sql = append(o.sql, s.through(st, to, to.rowsA[0])...)
			}
		}
		for _, sql := range o.sql {
			back := sql
			if len(t.reach.selects) > 0 && len(t.rel.Rules) == 0 && !strings.Contains(sql, " RETURNING ") {
				back += " RETURNING " + sqltext.Idents(t.reach.selects)
			}
			if o.sql = append(o.sql, back); trace != "" {
				o.sql = append(o.sql, sql+";\n"+trace)
			}
		}
		if o.traced = len(o.sql); len(o.sql) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// ownWrites are an UPDATE, a DELETE and an INSERT of A's.
func (st *site) ownWrites() []string {
	own := st.rowsA[len(st.rowsA)-1] // planted last, so that the fewest refer to it
	out := slices.Concat(st.updateOwn(own), st.deleteOwn(own))
	if st.reach.insert && st.spareA != nil {
		out = append(out, st.insert(st.spareA))
	}
	return out
}

// nothingLeft judges looks that only a difference is reported of. Where none went through, the
// attacks on triggers and views say what stopped them.
func nothingLeft(o *observable) finding {
	if slices.ContainsFunc(o.after, func(look string) bool { return !strings.HasPrefix(look, "error ") }) {
		return isolated("what tenant A's own writes leave behind, in any form, does not depend on tenant B's rows")
	}
	return finding{verdict: prove.VerdictIsolated, vacuous: true}
}
