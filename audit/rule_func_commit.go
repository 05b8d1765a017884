package audit

import (
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleFuncCommit = Rule{
	ID: "func-commit", Severity: High, Holes: []string{"S21"},
	Title: "A procedure continues after COMMIT without its tenant",
	check: each(userFunctions, func(f *facts, fn *catalog.Function, report reporter) {
		if fn.Kind != "procedure" {
			return
		}
		b := f.body(fn)
		ends, sets := 0, 0
		for _, t := range b.Tokens {
			switch {
			case t.Is("commit"), t.Is("rollback"):
				ends++
			case strings.EqualFold(t.Text, "set_config"):
				sets++
			}
		}
		if ends == 0 || sets > ends {
			return
		}
		report(onFunction(fn,
			"Statements after the COMMIT run as whatever tenant the session was left with, or as none.",
			"A transaction-local setting ends with the transaction. A value left in the session then takes over.").
			decide("Set the tenant again after each COMMIT and ROLLBACK, or leave transaction control to the caller."))
	}),
}
