package audit

import "fmt"

var rulePerfDefinerHelper = Rule{
	ID: "perf-definer-helper", Severity: Low, Kind: Slow, Holes: []string{"F11"},
	Title: "A SECURITY DEFINER function that a policy calls is written in SQL",
	check: each(directHelpers, func(f *facts, h helper, report reporter) {
		if !h.fn.Definer || h.fn.Language != "sql" || h.fn.Extension != "" {
			return
		}
		report(onFunction(h.fn,
			"Every statement takes 130 to 200 µs longer. A function in PL/pgSQL would add 15 to 36 µs.",
			fmt.Sprintf("The policy %s of %s calls this function. A SECURITY DEFINER function in SQL is never inlined, and "+
				"is planned again each time.", h.policy, h.table.QName())).
			decide("Rewrite it in PL/pgSQL: BEGIN RETURN (…); END."))
	}),
}
