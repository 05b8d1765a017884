package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
)

// script writes what was run as a file for psql.
func (p *prover) script(st *site, object string, t *tally) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- moat prove: %s on %s: %s\n", t.tries[0].name, object, t.worst.verdict)
	for line := range strings.Lines(t.worst.reason) {
		fmt.Fprintf(&b, "-- %s\n", strings.TrimRight(line, "\n"))
	}
	if st.s.bind.turns != nil {
		p.turnScript(&b, t.tries)
		return b.String()
	}
	if p.Sealer != nil {
		b.WriteString("-- The token below was bound to the connection that ran this; sign another for yours.\n")
	}
	if st.staged {
		fmt.Fprintf(&b, "-- Run as the operator: it plants rows, becomes %s, and rolls all of it back.\n", p.role)
	} else {
		fmt.Fprintf(&b, "-- Run as the application role %s; it is rolled back.\n", p.role)
	}
	b.WriteString("BEGIN READ WRITE;\n" + immediate + ";\n")
	if st.staged {
		put(&b, st.s.held)
		p.needed(st, t.tries).write(&b, 0, len(st.s.seeds.list))
	}
	for _, a := range t.tries {
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
	}
	b.WriteString("ROLLBACK;")
	return b.String()
}

// needed are the seeds that the tries on a site need: the rows of its table, and those
// that they, and what the tries insert, refer to.
func (p *prover) needed(st *site, tries []attack) harvest {
	if st.target == nil {
		return st.s.seeds.all()
	}
	inserted := []row{st.spareA, st.spareB}
	for _, a := range tries {
		inserted = append(inserted, a.inserts...)
	}
	return st.s.seeds.needed(p.view.Lookup, st.rel, inserted)
}

// put writes statements, one on a line.
func put(b *strings.Builder, lists ...[]string) {
	for _, list := range lists {
		for _, s := range list {
			b.WriteString(s + ";\n")
		}
	}
}

// observation writes a look as a script: A's rows, a look, B's rows, a look. The first
// seeds are A's.
func (s *stage) observation(ctx context.Context, o *observable, at int, f finding, first int) string {
	as, _ := s.binding(ctx, o)
	look := o.sql[min(at, len(o.sql)-1)]
	if o.rel != nil && f.verdict == prove.VerdictLeak {
		look = "SELECT * FROM " + table(o.rel.QName()) + " LIMIT 50"
	}
	act := slices.Concat(s.operator.become, as, []string{look})
	seeds := s.operator.seeds.all()
	if o.rel != nil {
		seeds = s.operator.seeds.needed(s.view.Lookup, o.rel, nil)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- moat prove: %s %s: %s\n-- %s\n", o.attack, o.object, f.verdict, f.reason)
	fmt.Fprintf(&b, "-- Run as the operator: it plants rows, becomes %s, and rolls all of it back.\n", s.role)
	b.WriteString("BEGIN READ WRITE;\n")
	put(&b, s.operator.held)
	seeds.write(&b, 0, first)
	b.WriteString("-- What tenant A sees without tenant B's rows:\n")
	put(&b, []string{savepoint}, act, []string{undo})
	seeds.write(&b, first, len(s.operator.seeds.list))
	if o.rel != nil && o.rel.Kind == catalog.MaterializedView {
		put(&b, []string{"REFRESH MATERIALIZED VIEW " + table(o.rel.QName())})
	}
	b.WriteString("-- What tenant A sees with them:\n")
	put(&b, act)
	if o.harmed {
		b.WriteString("-- Tenant B's rows afterwards:\n")
		put(&b, []string{s.operator.unbecome(), s.integrityQuery(nil)})
	}
	b.WriteString("ROLLBACK;")
	return b.String()
}
