package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// reporter takes findings.
type reporter func(...Finding)

// each makes the check of one thing the check of all of its kind.
func each[T any](all func(*facts) []T, one func(*facts, T, reporter)) func(*facts) []Finding {
	return func(f *facts) []Finding {
		var out []Finding
		for _, x := range all(f) {
			one(f, x, func(found ...Finding) { out = append(out, found...) })
		}
		return out
	}
}

// The kinds of things that rules go through.
func relations(f *facts) []*catalog.Relation     { return slices.Collect(catalog.Each(f.s.Relations)) }
func tenantTables(f *facts) []*catalog.Relation  { return f.tenantTables }
func keyedTables(f *facts) []*catalog.Relation   { return f.keyedTables }
func judgedTables(f *facts) []*catalog.Relation  { return f.judgedTables }
func functions(f *facts) []*catalog.Function     { return slices.Collect(catalog.Each(f.s.Functions)) }
func userFunctions(f *facts) []*catalog.Function { return f.userFunctions }
func apps(f *facts) []string                     { return f.apps }
func allHelpers(f *facts) []helper               { return f.helpers(true) }
