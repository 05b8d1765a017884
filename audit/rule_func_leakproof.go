package audit

var ruleFuncLeakproof = Rule{
	ID: "func-leakproof", Severity: Critical, Holes: []string{"P23"},
	Title: "A function is marked LEAKPROOF that PostgreSQL does not ship as such",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Functions {
			fn := &f.s.Functions[i]
			if !fn.Leakproof || fn.LeakproofByDefault || fn.Extension != "" {
				continue
			}
			out = append(out, onFunction(fn,
				"A query that calls it sees other tenants' values: it runs before the policy, and its errors print them.",
				"LEAKPROOF is a promise that nothing about the arguments comes out. LIKE, casts and functions of one's own do not keep it.").
				with("ALTER FUNCTION "+functionSQL(fn)+" NOT LEAKPROOF"))
		}
		return out
	},
}
