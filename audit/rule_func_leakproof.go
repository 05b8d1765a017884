package audit

import "github.com/moat-db/moat/catalog"

var ruleFuncLeakproof = Rule{
	ID: "func-leakproof", Severity: Critical, Holes: []string{"P23"},
	Title: "A function is LEAKPROOF although PostgreSQL does not ship it so",
	check: each(functions, func(f *facts, fn *catalog.Function, report reporter) {
		if !fn.Leakproof || fn.LeakproofByDefault || fn.Extension != "" {
			return
		}
		report(onFunction(fn,
			"A query that calls the function sees other tenants' values: it runs before the policy, and its errors print them.",
			"LEAKPROOF promises that nothing about the arguments leaks. LIKE, casts and functions of your "+
				"own do not keep that promise.").
			with("ALTER FUNCTION " + functionSQL(fn) + " NOT LEAKPROOF"))
	}),
}
