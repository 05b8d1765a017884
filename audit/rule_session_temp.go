package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionTemp = Rule{
	ID: "session-temp", Severity: Low, Holes: []string{"S05"},
	Title: "The application role can create temporary tables",
	check: func(f *facts) []Finding {
		grants := f.grantsToApps(f.s.Database.Privileges, "TEMPORARY", f.s.Database.Owner)
		if len(grants) == 0 {
			return nil
		}
		x := f.onDatabase(
			"A temporary table left on a pooled connection takes the place of the real one for the next tenant.",
			"PostgreSQL searches pg_temp first, and grants TEMPORARY to PUBLIC by default.")
		for _, g := range grants {
			x = x.with(fmt.Sprintf("REVOKE TEMPORARY ON DATABASE %s FROM %s",
				sqltext.Ident(f.s.Database.Name), sqltext.Role(g.Grantee)))
		}
		return []Finding{x}
	},
}
