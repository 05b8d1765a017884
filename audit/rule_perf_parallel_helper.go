package audit

import "fmt"

var rulePerfParallelHelper = Rule{
	ID: "perf-parallel-helper", Severity: Low, Kind: Slow, Holes: []string{"F12"},
	Title: "A function that a policy calls is not PARALLEL SAFE",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, h := range f.helpers(false) {
			if h.fn.Parallel == "safe" || h.fn.Extension != "" {
				continue
			}
			x := onFunction(h.fn,
				"No query of the table runs in parallel.",
				fmt.Sprintf("The policy %s of %s calls it; PARALLEL UNSAFE is what CREATE FUNCTION makes unless told otherwise.", h.policy, h.table.QName()))
			if b := f.body(h.fn); b.Dynamic || b.Mentions("insert", "update", "delete", "nextval", "set_config") {
				x = x.decide("It may write: take that out, then declare it PARALLEL SAFE.")
			} else {
				x = x.with("ALTER FUNCTION " + functionSQL(h.fn) + " PARALLEL SAFE")
			}
			out = append(out, x)
		}
		return out
	},
}
