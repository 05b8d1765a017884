package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleGrantCreateSchema = Rule{
	ID: "grant-create-schema", Severity: High, Holes: []string{"C21", "S14"},
	Title: "The application role can create objects in a schema",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, sch := range f.s.Schemas {
			grants := f.grantsToApps(sch.Privileges, "CREATE", sch.Owner)
			if len(grants) == 0 {
				continue
			}
			x := onSchema(sch.Name,
				"An attacker can create a function, operator or table that later sessions of other tenants find: one statement "+
					"points their search_path at this schema.",
				"Unqualified names are looked up along search_path, a session setting that outlives the "+
					"transaction on a pooled connection.")
			byDefault := sch.Name == "public" && f.s.Version < 150000
			for _, g := range grants {
				byDefault = byDefault && g.Grantee == ""
				x = x.with(fmt.Sprintf("REVOKE CREATE ON SCHEMA %s FROM %s", sqltext.Ident(sch.Name), sqltext.Role(g.Grantee)))
			}
			if byDefault {
				x.Severity = Low // true of every server before PostgreSQL 15
			}
			out = append(out, x)
		}
		for _, g := range f.grantsToApps(f.s.Database.Privileges, "CREATE", f.s.Database.Owner) {
			out = append(out, f.onDatabase(
				"An attacker can create a schema that later sessions of other tenants find: one statement "+
					"points their search_path at it.",
				"CREATE on the database allows creating schemas.").
				with(fmt.Sprintf("REVOKE CREATE ON DATABASE %s FROM %s",
					sqltext.Ident(f.s.Database.Name), sqltext.Role(g.Grantee))))
		}
		return out
	},
}
