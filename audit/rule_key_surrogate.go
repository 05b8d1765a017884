package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

var ruleKeySurrogate = Rule{
	ID: "key-surrogate", Severity: Low, Holes: []string{"O21"},
	Title: "A numeric key without the tenant reveals which numbers other tenants use",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		if f.look.Class(r.QName()) == catalog.TenantsTable {
			return
		}
		for x := range catalog.Each(r.Indexes) {
			if !x.Unique || x.Inherited || slices.Contains(x.Columns(), own) || !f.look.Surrogate(r, x) {
				continue
			}
			if f.look.Unguessable(r, x) {
				continue
			}
			report(f.worsen(f.surrogateKey(r, x, own), r, x))
		}
	}),
}

// surrogateKey suggests the composite key only where nothing refers to the single
// column by itself.
func (f *facts) surrogateKey(r *catalog.Relation, x *catalog.Index, own string) Finding {
	found := f.globalUnique(r, x, own)
	found.Severity = Low
	found.Message = "An INSERT or MERGE with a chosen number fails if another tenant has that number."
	if !x.Constraint || !x.Primary {
		found.Fix = nil
		return found.decide("Drop %s if (%s, %s) is unique and nothing refers to the number alone, or accept that "+
			"the numbers are not secret.", x.Name, own, x.Keys[0].Column)
	}
	return found
}
