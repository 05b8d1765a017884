package audit

var ruleFuncLeakproof = Rule{
	ID: "func-leakproof", Severity: Critical, Holes: []string{"P23"},
	Title: "A function is LEAKPROOF although PostgreSQL does not ship it so",
	check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Functions {
			fn := &f.s.Functions[i]
			if !fn.Leakproof || fn.LeakproofByDefault || fn.Extension != "" {
				continue
			}
			out = append(out, onFunction(fn,
				"A query that calls the function sees other tenants' values: it runs before the policy, and its errors print them.",
				"LEAKPROOF promises that nothing about the arguments leaks. LIKE, casts and functions of your "+
					"own do not keep that promise.").
				with("ALTER FUNCTION "+functionSQL(fn)+" NOT LEAKPROOF"))
		}
		return out
	},
}
