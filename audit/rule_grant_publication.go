package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleGrantPublication = Rule{
	ID: "grant-publication", Severity: Low, Holes: []string{"O22"},
	Title: "A publication sends every tenant's rows",
	check: each(publications, func(f *facts, p catalog.Publication, report reporter) {
		i := slices.IndexFunc(p.Tables, f.holdsTenants)
		if i < 0 {
			return
		}
		x := Finding{Object: p.Name, Group: "publications",
			Message: "Every subscriber receives the rows of every tenant.",
			Why:     fmt.Sprintf("The publication sends %s, and policies do not filter publications.", p.Tables[i])}
		for _, app := range f.apps {
			if f.look.Role(app).Replication {
				x.Severity = High
				x.Why += fmt.Sprintf(" %s can subscribe.", app)
			}
		}
		report(x.decide("Drop the publication if it is not intended. Otherwise accept the finding and protect " +
			"the copy: policies are not replicated."))
	}),
}
