package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleGuardOwner = Rule{
	ID: "guard-owner", Severity: Medium, Holes: []string{"E05"},
	Title: "A guard's function can be replaced by the roles that it guards against",
	check: each((*facts).guards, func(f *facts, g guard, report reporter) {
		owner := f.look.Role(g.fn.Owner)
		trigger := f.look.Role(g.event.Owner)
		if owner == nil || owner.Super || trigger == nil || !trigger.Super {
			return
		}
		report(Finding{Object: g.event.Name, Group: "event triggers",
			Message: fmt.Sprintf("%s can replace the guard's function with one that does nothing, and nobody notices.",
				g.fn.Owner),
			Why: fmt.Sprintf("%s is owned by %s, which is not a superuser.", g.fn.Signature(), g.fn.Owner),
			Fix: []string{"ALTER FUNCTION " + functionSQL(g.fn) + " OWNER TO " + sqltext.Ident(g.event.Owner)}})
	}),
}
