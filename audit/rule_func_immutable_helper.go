package audit

import "fmt"

var ruleFuncImmutableHelper = Rule{
	ID: "func-immutable-helper", Severity: Critical, Holes: []string{"P20"},
	Title: "A function that a policy calls is marked IMMUTABLE",
	check: each(allHelpers, func(f *facts, h helper, report reporter) {
		fn := h.fn
		if fn.Volatile != "immutable" || !f.runs(fn.Language) || fn.Extension != "" {
			return
		}
		b := f.body(fn)
		if !f.readsCaller(b) && len(b.Tables) == 0 {
			return // the same input does give the same result
		}
		report(onFunction(fn,
			"The next tenant on a pooled connection gets the previous tenant's id from a cached plan.",
			fmt.Sprintf("The policy %s of %s calls this function. PostgreSQL evaluates an IMMUTABLE call once, at planning "+
				"time, and keeps the result.", h.policy, h.table.QName())).
			with("ALTER FUNCTION " + functionSQL(fn) + " STABLE"))
	}),
}
