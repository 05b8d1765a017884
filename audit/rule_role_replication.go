package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleRoleReplication = Rule{
	ID: "role-replication", Severity: Critical, Holes: []string{"C17"},
	Title: "The application role has REPLICATION",
	check: each(apps, func(f *facts, app string, report reporter) {
		if r := f.look.Role(app); r.Replication && !r.Super {
			report(onRole(app,
				"A replication connection can copy the whole cluster, or decode every tenant's changes. No policy applies.",
				"Row-level security does not apply to base backups or logical decoding.").
				with("ALTER ROLE " + sqltext.Ident(app) + " NOREPLICATION"))
		}
	}),
}
