package audit

import "github.com/moat-db/moat/internal/sqltext"

var ruleGuardNotAlways = Rule{
	ID: "guard-not-always", Severity: Medium, Holes: []string{"E03"},
	Title: "A guard does not fire in every session",
	check: each((*facts).guards, func(f *facts, g guard, report reporter) {
		if g.event.Enabled == "always" {
			return
		}
		report(Finding{Object: g.event.Name, Group: "event triggers",
			Message: "A session with session_replication_role = replica can create unprotected tables unnoticed by the guard.",
			Why:     "The event trigger is not set to ENABLE ALWAYS.",
			Fix:     []string{"ALTER EVENT TRIGGER " + sqltext.Ident(g.event.Name) + " ENABLE ALWAYS"}})
	}),
}
