package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleFuncDblink = Rule{
	ID: "func-dblink", Severity: Critical, Holes: []string{"V17"},
	Title: "The application role reaches the database again as someone else",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Functions {
			fn := &f.s.Functions[i]
			wraps := fn.Extension == "" && !fn.System && dials(f.body(fn))
			if fn.Extension == "dblink" && (fn.Name == "dblink_connect_u") {
				wraps = true
			}
			if !wraps || !f.callable(fn) {
				continue
			}
			x := onFunction(fn,
				"A second connection, opened from inside the server as another role, returns every tenant's rows.",
				"A loopback connection of the server's own account often needs no password, and has neither the tenant setting nor the policies' role.")
			for _, p := range f.grantsToApps(fn.Privileges, "EXECUTE", "\x00") {
				x = x.with(fmt.Sprintf("REVOKE EXECUTE ON %s %s FROM %s", routine(fn), functionSQL(fn), sqltext.Role(p.Grantee)))
			}
			out = append(out, x)
		}
		return out
	},
}

func dials(b *body.Uses) bool {
	return slices.ContainsFunc([]string{"dblink", "dblink_connect", "dblink_connect_u", "dblink_exec", "dblink_open", "dblink_send_query"}, func(n string) bool {
		return b.Words[n]
	})
}
