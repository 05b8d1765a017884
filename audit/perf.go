package audit

import "github.com/moat-db/moat/catalog"

// bigTable is from how many rows on it shows that a policy is slow.
const bigTable = 10_000

// cost is how bad something slow is: a note on a small table, more on a big one,
// unless the planner said that it reads that one by an index anyway.
func (f *facts) cost(r *catalog.Relation) Severity {
	if p, ok := f.o.Evidence.Plans[r.QName()]; ok && !p.Sequential || r.Estimate.Rows < bigTable {
		return Low
	}
	return Medium
}

// skewed reports whether one tenant has far more rows than the others.
func (f *facts) skewed(r *catalog.Relation) bool {
	c := r.Column(f.tenantColumn(r.QName()))
	return c != nil && c.MostCommon > 0.05 && r.Estimate.Rows >= bigTable
}

// hotRows is from how many rows of one tenant on a partition of its own pays.
const hotRows = 100_000

// hot reports whether one tenant has so many more rows than the others that it deserves a
// partition of its own.
func (f *facts) hot(r *catalog.Relation) bool {
	return r.Kind == catalog.Table && !r.Partition && f.skewed(r) &&
		float64(r.Estimate.Rows)*r.Column(f.tenantColumn(r.QName())).MostCommon >= hotRows
}

// eachPolicy reports the policies of tenant tables that is holds for, as slow.
func (f *facts) eachPolicy(
	is func(*catalog.Relation, *judgedPolicy) bool, describe func(*catalog.Relation, *judgedPolicy) Finding,
) []Finding {
	var out []Finding
	for _, r := range f.judgedTables {
		for _, p := range f.policies[r.QName()] {
			if p.Using != nil && is(r, p) {
				out = append(out, describe(r, p).at(f.cost(r)))
			}
		}
	}
	return out
}
