package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSPartition = Rule{
	ID: "rls-partition", Severity: Critical, Holes: []string{"C10", "C11", "C13"},
	Title: "A partition or child table is not protected, although its parent is",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if r.RLS || !r.IsTable() || len(r.Policies) > 0 || !f.exposed(r) {
			return
		}
		for _, name := range r.ParentNames {
			parent := f.look.Relation(name)
			if parent == nil || !parent.RLS {
				continue
			}
			report(onRelation(r,
				"A query that names this table instead of its parent returns every tenant's rows.",
				fmt.Sprintf("The policies of %s apply to queries that name it. A partition or child that is named directly "+
					"obeys only its own policies. The SQL takes direct access from the application: its queries name %s.",
					name, name)).
				with(enableSQL(r)...).with(f.revokeAllSQL(r)...))
			break
		}
	}),
}
