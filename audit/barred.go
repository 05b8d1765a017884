package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
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
	for called := range body.CalledAlways(v.Definition) {
		if f.denied(called) {
			return true
		}
	}
	return false
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
