package audit

import (
	"fmt"
	"regexp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionDeferredTrigger = Rule{
	ID: "session-deferred-trigger", Severity: Medium, Holes: []string{"S24"},
	Title: "A trigger is deferred to COMMIT, when another tenant may be set",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if !r.RLS && !f.holdsTenants(r.QName()) {
			return
		}
		for _, t := range r.Triggers {
			if !t.Deferrable || t.Inherited || t.Enabled == "disabled" {
				continue
			}
			report(onPart(r, t.Name,
				"The trigger reads and checks the rows of the tenant that was set last, not of the one that fired it.",
				"A deferred trigger runs at COMMIT, with the settings of that moment.").
				with(fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(t.Name), r.QName().SQL()),
					deferring.ReplaceAllString(t.Definition, " NOT DEFERRABLE")))
		}
	}),
}

var deferring = regexp.MustCompile(` DEFERRABLE( INITIALLY (DEFERRED|IMMEDIATE))?`)
