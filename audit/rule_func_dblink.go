package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleFuncDblink = Rule{
	ID: "func-dblink", Severity: Critical, Holes: []string{"V17"},
	Title: "The application role can reconnect to the database as another role",
	check: each(functions, func(f *facts, fn *catalog.Function, report reporter) {
		reconnects := fn.Extension == "" && !fn.System && f.body(fn).Reconnects()
		if fn.Extension == "dblink" && (fn.Name == "dblink_connect_u") {
			reconnects = true
		}
		if !reconnects || !f.callable(fn) {
			return
		}
		x := onFunction(fn,
			"A second connection, opened from inside the server as another role, returns every tenant's rows.",
			"A loopback connection from the server's own account often needs no password. It has neither the tenant setting "+
				"nor the role that the policies bind.")
		for _, p := range f.grantsToApps(fn.Privileges, "EXECUTE", "\x00") {
			x = x.with(fmt.Sprintf("REVOKE EXECUTE ON %s %s FROM %s", routine(fn), functionSQL(fn), sqltext.Role(p.Grantee)))
		}
		report(x)
	}),
}
