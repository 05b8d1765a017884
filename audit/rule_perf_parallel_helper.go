package audit

import "fmt"

var rulePerfParallelHelper = Rule{
	ID: "perf-parallel-helper", Severity: Low, Kind: Slow, Holes: []string{"F12"},
	Title: "A function that a policy calls is not PARALLEL SAFE",
	check: each(directHelpers, func(f *facts, h helper, report reporter) {
		if h.fn.Parallel == "safe" || h.fn.Extension != "" {
			return
		}
		x := onFunction(h.fn,
			"Queries of the table never run in parallel.",
			fmt.Sprintf("The policy %s of %s calls this function. PARALLEL UNSAFE is the default of CREATE FUNCTION.",
				h.policy, h.table.QName()))
		if b := f.body(h.fn); b.Dynamic || b.Mentions("insert", "update", "delete", "nextval", "set_config") {
			x = x.decide("The function may write. Remove that, then declare it PARALLEL SAFE.")
		} else {
			x = x.with("ALTER FUNCTION " + functionSQL(h.fn) + " PARALLEL SAFE")
		}
		report(x)
	}),
}
