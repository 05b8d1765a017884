package audit

import "github.com/moat-db/moat/catalog"

var ruleGrantSequence = Rule{
	ID: "grant-sequence", Severity: Low, Holes: []string{"O08"},
	Title: "The application role reads or sets a sequence",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			r := &f.s.Relations[i]
			if r.Kind != catalog.Sequence {
				continue
			}
			if fix := f.revokeSQL(r, "SELECT", "UPDATE"); len(fix) > 0 {
				out = append(out, onRelation(r,
					"Its last value tells how much all tenants create; setval makes their inserts fail.",
					"A sequence is one for all tenants. USAGE is enough for nextval, and identity columns need no privilege at all.").with(fix...))
			}
		}
		return out
	},
}
