package audit

import "fmt"

var rulePerfVolatileHelper = Rule{
	ID: "perf-volatile-helper", Severity: Medium, Kind: Slow, Holes: []string{"F02"},
	Title: "A function that a policy calls is VOLATILE",
	check: each(directHelpers, func(f *facts, h helper, report reporter) {
		if h.fn.Volatile != "volatile" || h.fn.Extension != "" {
			return
		}
		x := onFunction(h.fn,
			"The function runs once for every row, and the policy cannot use an index: a read by key takes 500 times as long.",
			fmt.Sprintf("The policy %s of %s calls this function. VOLATILE is the default of CREATE FUNCTION.",
				h.policy, h.table.QName()))
		if b := f.body(h.fn); b.Dynamic || b.Mentions("insert", "update", "delete", "nextval",
			"random", "clock_timestamp", "set_config") {
			x = x.decide("The function may write, or return different values within one statement. Remove " +
				"that, then declare it STABLE.")
		} else {
			x = x.with("ALTER FUNCTION " + functionSQL(h.fn) + " STABLE")
		}
		report(x)
	}),
}
