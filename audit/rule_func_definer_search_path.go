package audit

import (
	"cmp"
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleFuncDefinerSearchPath = Rule{
	ID: "func-definer-search-path", Severity: Critical, Holes: []string{"P22", "P39"},
	Peer:  "function_search_path_mutable",
	Title: "A SECURITY DEFINER function looks up names where the caller can create objects",
	check: each(userFunctions, func(f *facts, fn *catalog.Function, report reporter) {
		if !fn.Definer || fn.BodyParsed || tempLast(fn) || fn.Result == "event_trigger" || !f.runs(fn.Language) {
			return
		}
		b := f.body(fn)
		path, set := setting(fn, "search_path")
		name := b.Unqualified()
		x := onFunction(fn,
			"A temporary table, or an object in the caller's own schema, takes the place of the real one, and the function "+
				"uses it with its owner's rights.",
			"").with(searchPathSQL(fn))
		switch {
		case name != "" || b.Dynamic:
			x.Why = fmt.Sprintf("PostgreSQL searches pg_temp first for relations unless it is named last, even with "+
				"search_path = ''. The function does not qualify %s.", cmp.Or(name, "what EXECUTE runs"))
		case !set:
			x.Severity = High
			x.Why = "The function has no search_path of its own, so the caller decides which functions and operators it finds."
		case path == `""` || path == "":
			return // every relation is qualified, and functions are never looked up in pg_temp
		default:
			x.Severity = Low
			x.Why = "The function's search_path does not name pg_temp last. It qualifies all relations " +
				"today, but the next edit may not."
		}
		if x.Severity == "" && !f.callable(fn) && !f.identity[fn.Name] {
			x.Severity = Low
		}
		report(x)
	}),
}

// runs reports whether a language resolves names while it runs, from text.
func (f *facts) runs(language string) bool { return language != "internal" && language != "c" }
