package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleReplication = Rule{
	ID: "role-replication", Severity: Critical, Holes: []string{"C17"},
	Title: "The application role has REPLICATION",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, app := range f.apps {
			if r := f.look.Role(app); r.Replication && !r.Super {
				out = append(out, onRole(app,
					"A replication connection can copy the whole cluster, or decode every tenant's changes. No policy applies.",
					"Row-level security does not apply to base backups or logical decoding.").
					with("ALTER ROLE "+sqltext.Ident(app)+" NOREPLICATION"))
			}
		}
		return out
	},
}
