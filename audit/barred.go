package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// barred reports whether nobody can query a view, since it calls a function that no application
// role may execute: a view lends its owner's rights to tables, and none to functions (PostgreSQL
// manual, CREATE VIEW). A call in its select list bars nobody who leaves that column out, and
// neither does one in a part of the query that the planner may leave out.
func (f *facts) barred(v *catalog.Relation) bool {
	if v.Kind != catalog.View {
		return false // what it calls ran when it was filled
	}
	tokens := sqltext.Code(v.Definition)
	if slices.ContainsFunc(tokens, mayBeLeftOut) {
		return false
	}
	for i := range always(tokens) {
		if i+3 < len(tokens) && tokens[i].IsName() && tokens[i+1].Is(".") && tokens[i+2].IsName() && tokens[i+3].Is("(") &&
			f.denied(catalog.QName{Schema: tokens[i].Name(), Name: tokens[i+2].Name()}) {
			return true
		}
	}
	return false
}

// mayBeLeftOut reports whether a word begins what another query's conditions can prove to be
// without use: one side of a set operation, an outer join for no column, an alternative.
func mayBeLeftOut(t sqltext.Token) bool {
	return slices.ContainsFunc([]string{"union", "intersect", "except", "left", "right", "full", "or", "case", "coalesce"},
		t.Is)
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

// denied reports whether no application role may execute any of the functions of a name.
func (f *facts) denied(name catalog.QName) bool {
	all := f.look.Functions(name)
	return len(all) > 0 && !slices.ContainsFunc(all, func(fn *catalog.Function) bool {
		return f.appMay(fn.Privileges, "EXECUTE")
	})
}

// lendsRows reports whether a view or a rule reads a table itself. One that does so only by the row
// type of a function's result does not: who calls it has the rights that the function gives.
func (f *facts) lendsRows(d catalog.RelationDependency) bool {
	v := f.look.Relation(d.From)
	if v == nil || v.Kind != catalog.View || d.Rule != "_RETURN" || v.Definition == "" {
		return true
	}
	return slices.ContainsFunc(sqltext.Code(v.Definition), func(t sqltext.Token) bool {
		return t.IsName() && t.Name() == d.On.Name
	})
}
