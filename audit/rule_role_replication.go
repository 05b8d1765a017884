package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleReplication = Rule{
	ID: "role-replication", Severity: Critical, Holes: []string{"C17"},
	Title: "The application role has REPLICATION",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, app := range f.apps {
			if r := f.look.Role(app); r.Replication && !r.Super {
				out = append(out, onRole(app,
					"A replication connection copies the whole cluster, or decodes every tenant's changes, past all policies.",
					"Row-level security is not applied to base backups and logical decoding.").
					with("ALTER ROLE "+sqltext.Ident(app)+" NOREPLICATION"))
			}
		}
		return out
	},
}
