package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionLargeObjects = Rule{
	ID: "session-large-objects", Severity: Low, Holes: []string{"S19"},
	Title: "All tenants share one store of large objects",
	check: func(f *facts) []Finding {
		var fix []string
		for i := range f.s.Functions {
			fn := &f.s.Functions[i]
			if !fn.System || !slices.Contains([]string{"lo_from_bytea", "lo_create", "lo_creat",
				"lo_get", "lo_open", "lo_put"}, fn.Name) {
				continue
			}
			for _, g := range f.grantsToApps(fn.Privileges, "EXECUTE", fn.Owner) {
				fix = append(fix, fmt.Sprintf("REVOKE EXECUTE ON FUNCTION %s FROM %s", functionSQL(fn), sqltext.Role(g.Grantee)))
			}
		}
		if len(fix) == 0 {
			return nil
		}
		why := "All large objects belong to the application role, and no policy applies to them. " +
			"This is true of every server."
		if n := f.s.LargeObjects; n > 0 {
			why += " The database has " + english.Count(n, "large object") + "."
		}
		return []Finding{f.onDatabase(
			"Every tenant can read what another stores as a large object: the catalog lists their numbers.", why).with(fix...)}
	},
}
