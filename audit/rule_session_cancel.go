package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionCancel = Rule{
	ID: "session-cancel", Severity: Low, Kind: Outage, Holes: []string{"S17"},
	Title: "Every session of the application role can end the others",
	Check: func(f *facts) []Finding {
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
			"One injected statement cancels or ends the sessions of every other tenant.",
			"All tenants' sessions log in as one role, and a role may signal its own sessions. True of every server.").with(fix...)}
	},
}
