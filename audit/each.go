package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
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
func relations(f *facts) []*catalog.Relation      { return slices.Collect(catalog.Each(f.s.Relations)) }
func tenantTables(f *facts) []*catalog.Relation   { return f.tenantTables }
func keyedTables(f *facts) []*catalog.Relation    { return f.keyedTables }
func judgedTables(f *facts) []*catalog.Relation   { return f.judgedTables }
func functions(f *facts) []*catalog.Function      { return slices.Collect(catalog.Each(f.s.Functions)) }
func userFunctions(f *facts) []*catalog.Function  { return f.userFunctions }
func apps(f *facts) []string                      { return f.apps }
func allHelpers(f *facts) []helper                { return f.helpers(true) }
func directHelpers(f *facts) []helper             { return f.helpers(false) }
func unrelated(f *facts) []openPolicy             { return f.openPolicies(policy.Unrelated, policy.Literal) }
func publications(f *facts) []catalog.Publication { return f.s.Publications }
func shownTables(f *facts) []catalog.SystemTable  { return f.s.SystemTables }
func stored(f *facts) []catalog.StoredSetting     { return f.s.Stored }
func crossing(f *facts) []CrossingRows            { return f.o.Evidence.Crossing }
