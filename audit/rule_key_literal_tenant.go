package audit

import (
	"regexp"

	"github.com/moat-db/moat/catalog"
)

var ruleKeyLiteralTenant = Rule{
	ID: "key-literal-tenant", Severity: Low, Holes: []string{"O15"},
	Title: "A tenant's id is written into the schema",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, part := range literals(r, f.look.NamesNobody) {
			report(onPart(r, part,
				"Every tenant can read this tenant's id in the system catalog, and that it was singled out.",
				"Everyone who can connect can read predicates, defaults, check constraints and comments.").
				decide("Replace it with one that names no tenant: start the index with the tenant column, or drop it."))
		}
	}),
}

var uuidLiteral = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// literals returns the parts of a table whose text holds a uuid: policies are judged
// by rules of their own.
func literals(r *catalog.Relation, known func(*catalog.Relation, string) bool) []string {
	var out []string
	add := func(name, text string) {
		if uuidLiteral.MatchString(text) && !known(r, text) {
			out = append(out, name)
		}
	}
	for _, x := range r.Indexes {
		add(x.Name, x.Predicate)
	}
	for _, c := range r.Constraints {
		if c.Type == catalog.Check {
			add(c.Name, c.Definition)
		}
	}
	for _, c := range r.Columns {
		add(c.Name, c.Default+" "+c.Comment)
	}
	return out
}
