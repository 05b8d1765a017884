package audit

import "github.com/moat-db/moat/catalog"

var ruleGrantSequence = Rule{
	ID: "grant-sequence", Severity: Low, Holes: []string{"O08"},
	Title: "The application role can read or set a sequence",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if r.Kind != catalog.Sequence {
			return
		}
		if fix := f.revokeSQL(r, "SELECT", "UPDATE"); len(fix) > 0 {
			report(onRelation(r,
				"The last value reveals how many rows all tenants create, and setval makes their inserts fail.",
				"All tenants share the sequence. USAGE is enough for nextval, and identity "+
					"columns need no privilege at all.").with(fix...))
		}
	}),
}
