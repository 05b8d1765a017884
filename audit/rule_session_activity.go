package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionActivity = Rule{
	ID: "session-activity", Severity: Low, Holes: []string{"S16"},
	Title: "Sessions of the application role can see each other's statements",
	check: func(f *facts) []Finding {
		var x Finding
		for _, name := range []string{"pg_stat_get_activity", "pg_stat_get_backend_activity"} {
			fn := f.executable(name)
			if fn == nil {
				continue
			}
			x.Object = f.s.Database.Name
			for _, g := range f.grantsToApps(fn.Privileges, "EXECUTE", fn.Owner) {
				x = x.with(fmt.Sprintf("REVOKE EXECUTE ON FUNCTION %s FROM %s", functionSQL(fn), sqltext.Role(g.Grantee)))
			}
		}
		if x.Object == "" {
			return nil
		}
		found := f.onDatabase(
			"pg_stat_activity shows one tenant the text of statements that run for other tenants, including literals.",
			"All tenants' sessions log in as one role, and a role can see its own sessions. This is true of every server. "+
				"Bound parameters are never shown.")
		return []Finding{found.with("REVOKE SELECT ON pg_catalog.pg_stat_activity FROM PUBLIC").with(x.Fix...)}
	},
}
