package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

var rulePerfLeakyIndex = Rule{
	ID: "perf-leaky-index", Severity: Low, Kind: Slow, Holes: []string{"F05"},
	Title: "Row-level security makes an index unusable",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for x := range catalog.Each(r.Indexes) {
			lost := leakyKeys(x)
			if len(lost) == 0 || x.Constraint || r.Partition {
				continue
			}
			report(onPart(r, x.Name,
				fmt.Sprintf("Searches by %s do not use the index and take 10 to 1,000 times as long.", strings.Join(lost, ", ")),
				"The index's operators or functions are not leakproof, so the planner can use them only after the "+
					"policy has filtered other tenants' rows.").
				at(f.filtered(r)).
				decide("Use a partial index on the predicate, a stored generated column, starts_with for prefixes, text with a " +
					"CHECK constraint instead of an enum, or a SECURITY DEFINER search function that compares the tenant itself. " +
					"Never mark the operator's function LEAKPROOF."))
		}
	}),
}

// filtered is how bad it is that a search reads all rows of a tenant, whatever index
// finds these: by the rows of the tenant that has the most.
func (f *facts) filtered(r *catalog.Relation) Severity {
	rows := float64(r.Estimate.Rows)
	if c := r.Column(f.tenantColumn(r.QName())); c != nil {
		rows *= c.MostCommon
	}
	if rows < bigTable {
		return Low
	}
	return Medium
}

// leakyKeys names the keys of an index that cannot be searched ahead of a policy. One that
// only orders is read in its order, and the policy filters what comes.
func leakyKeys(x *catalog.Index) []string {
	return slices.Compact(list.Pick(x.Keys, func(k catalog.IndexKey) (string, bool) {
		return cmp.Or(k.Column, k.Expression), !k.Leakproof && k.Nearest == ""
	}))
}
