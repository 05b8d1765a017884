package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleFuncAppOwned = Rule{
	ID: "func-app-owned", Severity: High, Holes: []string{"V21"},
	Title: "The application role owns a function",
	check: each(userFunctions, func(f *facts, fn *catalog.Function, report reporter) {
		app := f.ownerApp(fn.Owner)
		if app == "" {
			return
		}
		owner, create := f.newOwner(fn.Schema)
		x := onFunction(fn,
			"An attacker can replace the function's body. The next operator or job that calls it runs the "+
				"new body with its own rights.",
			fmt.Sprintf("The owner is %s, which %s is or can become.", fn.Owner, app)).
			with(create...).
			with(fmt.Sprintf("ALTER %s %s OWNER TO %s", routine(fn), functionSQL(fn), sqltext.Ident(owner)))
		x.schema = "" // a fact about the role, wherever the function is
		report(x)
	}),
}
