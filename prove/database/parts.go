package database

import (
	"context"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// A query evaluates no more of a view than it needs. One that is refused, or fails, as a whole may
// still show what is left without a column, or without one side of a UNION that a condition rules
// out; so an error about the whole says nothing about the parts.

// mostParts bounds the parts that are looked at for one relation, and mostTried those that are tried.
const (
	mostParts = 12
	mostTried = 80
)

// divide finds, of relations that cannot be looked at whole, the parts that can.
func (s *stage) divide(ctx context.Context, all []*observable) {
	for _, o := range all {
		t := s.targetOf(o)
		if t == nil || o.slow || len(o.before) == 0 || !strings.HasPrefix(o.before[0], "error ") {
			continue
		}
		as, err := s.binding(ctx, o)
		if err != nil {
			continue
		}
		o.refusal = strings.TrimPrefix(o.before[0], "error ")
		o.closed = withheld(s.see(ctx, o, as, "SELECT FROM "+t.sql()+" WHERE false"))
		for _, sql := range s.parts(t) {
			if len(o.sql) > mostParts || o.slow || s.operator.conn.IsClosed() {
				break
			}
			if saw := s.see(ctx, o, as, sql); !strings.HasPrefix(saw, "error ") {
				o.sql, o.before = append(o.sql, sql), append(o.before, saw)
			}
		}
	}
}

// parts are looks at a relation's rows without their columns, at each column alone, and at the
// rows that a condition leaves, which may rule out the part of the query that fails.
func (s *stage) parts(t *target) []string {
	out := []string{s.look(t, nil, "")}
	out = append(out, list.Map(t.reach.selects, func(name string) string { return s.look(t, []string{name}, "") })...)
	for _, where := range s.conditions(t) {
		if len(out) > mostTried {
			break
		}
		out = append(out, s.look(t, t.reach.selects, where), s.look(t, nil, where))
	}
	return out
}

// conditions compare each column with the constants of the view's text.
func (s *stage) conditions(t *target) []string {
	text := strings.Join(s.texts(t.rel), "\n")
	constants := mined(text)
	var out []string
	for _, name := range t.reach.selects {
		c, x := t.column(name), " WHERE x."+sqltext.Ident(name)
		values := append(s.sower.wanted(c, text), s.sower.fitting(c, constants)...)
		if s.sower.kind(c) == "bool" {
			values = []string{"true", "false"}
		}
		out = append(out, list.Map(once(values), func(v string) string { return x + " = " + lit(v) })...)
		out = append(out, x+" IS NULL", x+" IS NOT NULL")
	}
	return out
}

// texts are the definitions of a view, and of those that it reads.
func (s *stage) texts(r *catalog.Relation) []string {
	return list.Pick(sources(s.view.Lookup, r), func(from *catalog.Relation) (string, bool) {
		return from.Definition, from.Kind == catalog.View
	})
}

// inParts says what it is worth that nothing changed in the parts of a relation that can be looked
// at. They are all there is where every query is refused, and where the text leaves no part out
// but columns, each of which was tried.
func (s *stage) inParts(o *observable) finding {
	refused := withheld(o.before[0])
	parts := len(o.sql) > 1
	bar := s.barred(o.rel)
	switch {
	case refused && !parts && bar != "":
		return isolated("refused: %s, and every query of it calls %s", o.refusal, bar)
	case refused && !parts && o.closed:
		return isolated("refused: %s, and so is a query that needs nothing of it", o.refusal)
	case refused && !slices.ContainsFunc(s.texts(o.rel), body.LeavesOut) && !parts:
		return isolated("refused: %s, and so is each of its columns alone", o.refusal)
	case refused && !slices.ContainsFunc(s.texts(o.rel), body.LeavesOut):
		return isolated("refused as a whole: %s. What a query can read of it does not depend on tenant B's rows", o.refusal)
	case !parts:
		return undecided("it cannot be read as a whole (%s), nor by column or under the conditions that were tried. A query "+
			"that leaves out what fails may still show rows: look at its definition, or revoke it", o.refusal)
	}
	return undecided("it cannot be read as a whole (%s). What was read of it does not depend on tenant B's rows; what "+
		"fails could not show any: look at its definition, or revoke it", o.refusal)
}

// barred is a function that the application role may not execute and every query of a view calls;
// "" where there is none.
func (s *stage) barred(r *catalog.Relation) string {
	if r.Kind != catalog.View {
		return ""
	}
	for called := range body.CalledAlways(r.Definition) {
		all := s.view.Functions(called)
		if len(all) > 0 && !slices.ContainsFunc(all, s.executable) {
			return called.String()
		}
	}
	return ""
}
