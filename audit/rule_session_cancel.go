package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionCancel = Rule{
	ID: "session-cancel", Severity: Low, Kind: Outage, Holes: []string{"S17"},
	Title: "Sessions of the application role can end each other",
	check: func(f *facts) []Finding {
		var fix []string
		for _, name := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
			if fn := f.executable(name); fn != nil {
				for _, g := range f.grantsToApps(fn.Privileges, "EXECUTE", fn.Owner) {
					fix = append(fix, fmt.Sprintf("REVOKE EXECUTE ON FUNCTION %s FROM %s", functionSQL(fn), sqltext.Role(g.Grantee)))
				}
			}
		}
		if len(fix) == 0 {
			return nil
		}
		return []Finding{f.onDatabase(
			"One injected statement can cancel or end the sessions of every other tenant.",
			"All tenants' sessions log in as one role, and a role can signal its own sessions. "+
				"This is true of every server.").with(fix...)}
	},
}
