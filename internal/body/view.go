package body

import (
	"iter"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// LeavesOut reports whether a view's text holds a word that begins what another query's conditions
// can prove to be without use: one side of a set operation, an outer join for no column, an
// alternative.
func LeavesOut(definition string) bool {
	return slices.ContainsFunc(sqltext.Code(definition), func(t sqltext.Token) bool {
		return slices.ContainsFunc([]string{"union", "intersect", "except", "left", "right", "full", "or", "case",
			"coalesce"}, t.Is)
	})
}

// CalledAlways yields the functions, by the names that a view's text gives them, that every query
// of the view evaluates: those that its own FROM and WHERE call, and no query within. It yields
// none where the planner may leave out a part of the view.
func CalledAlways(definition string) iter.Seq[catalog.QName] {
	return func(yield func(catalog.QName) bool) {
		if LeavesOut(definition) {
			return
		}
		tokens := sqltext.Code(definition)
		for i := range always(tokens) {
			if i+3 < len(tokens) && tokens[i].IsName() && tokens[i+1].Is(".") && tokens[i+2].IsName() && tokens[i+3].Is("(") &&
				!yield(catalog.QName{Schema: tokens[i].Name(), Name: tokens[i+2].Name()}) {
				return
			}
		}
	}
}

// always yields the places in a view's text that every query of it evaluates: those of its own
// FROM and WHERE that are in no query within, whose columns may be left out.
func always(tokens []sqltext.Token) func(func(int) bool) {
	return func(yield func(int) bool) {
		depth, part := 0, ""
		within := []int{} // the depths at which queries within began
		for i, t := range tokens {
			switch {
			case t.Is("("):
				depth++
			case t.Is(")"):
				depth--
				within = slices.DeleteFunc(within, func(at int) bool { return at > depth })
			case t.Is("select") && depth > 0:
				within = append(within, depth)
			case depth == 0 && (t.Is("select") || t.Is("with") || t.Is("from") || t.Is("where") || t.Is("group") ||
				t.Is("order") || t.Is("limit")):
				part = t.Name()
			}
			if (part == "from" || part == "where") && len(within) == 0 && !yield(i) {
				return
			}
		}
	}
}
