package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleKeyNearestIndex = Rule{
	ID: "key-nearest-index", Severity: Medium, Holes: []string{"O23"},
	Title: "Tenants share an index of nearest neighbours",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for x := range catalog.Each(r.Indexes) {
			if r.Partition || !f.sharesNearest(r, x) {
				continue
			}
			if goesOn := f.goesOn(r, x); !goesOn {
				report(f.nearestTells(r, x))
			} else if !f.byTenant(r) {
				report(f.nearestLoses(r, x))
			}
		}
	}),
}

// exactRows is up to how many rows of one tenant a search without an index takes
// milliseconds.
const exactRows = 5_000

func (f *facts) nearestTells(r *catalog.Relation, x *catalog.Index) Finding {
	return onPart(r, x.Name,
		"A tenant misses rows of its own, and how many it gets tells how many rows of others lie near its question.",
		fmt.Sprintf("%s finds a fixed number of nearest rows of all tenants, and only then the policy takes others' away.",
			x.Method)).decide("%s", f.nearestAdvice(r, x))
}

func (f *facts) nearestLoses(r *catalog.Relation, x *catalog.Index) Finding {
	return onPart(r, x.Name,
		"Searches of a small tenant take long, and may still miss rows of its own.",
		fmt.Sprintf("%s goes on until enough rows of the tenant are found, through all other tenants' rows.", x.Method)).
		at(Low).decide("%s", f.nearestAdvice(r, x))
}

// nearestAdvice goes by the rows that the largest tenant has.
func (f *facts) nearestAdvice(r *catalog.Relation, x *catalog.Index) string {
	rows, largest := float64(r.Estimate.Rows), 0.0
	if c := r.Column(f.tenantColumn(r.QName())); c != nil {
		largest = rows * c.MostCommon
	}
	partition := fmt.Sprintf("Partition the table, each partition with an index of its own (moat protect --table %s --by "+
		"hash:16 --apply), and let scans go on until enough rows are found: ALTER ROLE … SET %s.iterative_scan = "+
		"relaxed_order, which moat protect plans.", r.QName(), x.Method)
	switch {
	case rows > 0 && largest > 0 && largest <= exactRows:
		return fmt.Sprintf("Drop the index: the largest tenant has about %.0f rows, and to compare that many by the index "+
			"on (%s, …) is exact and takes milliseconds.", largest, f.tenantColumn(r.QName()))
	case largest > rows/2:
		return partition + " One tenant has most of the rows: give it a partition of its own instead (--partition), and " +
			"let statements name the tenant."
	}
	return partition
}

// sharesNearest reports whether an index orders rows of several tenants by distance.
func (f *facts) sharesNearest(r *catalog.Relation, x *catalog.Index) bool {
	nearest := slices.ContainsFunc(x.Keys, func(k catalog.IndexKey) bool { return k.Nearest != "" })
	return nearest && x.Valid && !strings.Contains(x.Predicate, f.tenantColumn(r.QName())+" = ") && !f.aloneInParts(r)
}

// byTenant reports whether rows are partitioned by tenant.
func (f *facts) byTenant(r *catalog.Relation) bool {
	return r.Kind == catalog.PartitionedTable && slices.Contains(r.PartitionKey.Columns, f.tenantColumn(r.QName()))
}

// aloneInParts reports whether each tenant has a partition of its own.
func (f *facts) aloneInParts(r *catalog.Relation) bool {
	return f.byTenant(r) && r.PartitionKey.Strategy == "list" && !f.hasDefault(r)
}

// goesOn reports whether scans of the index go on until enough rows have passed the policy,
// for every application role that reads the table under its policies.
func (f *facts) goesOn(r *catalog.Relation, x *catalog.Index) bool {
	bound := 0
	for _, app := range f.apps {
		set := func(s catalog.StoredSetting) bool {
			return (s.Role == app || s.Role == "") && s.Name == x.GoesOnBy() &&
				(s.Value == "relaxed_order" || s.Value == "strict_order")
		}
		if !f.touches(app, r, "SELECT") || f.bypasses(app) {
			continue
		}
		if bound++; !slices.ContainsFunc(f.s.Stored, set) {
			return false
		}
	}
	return bound > 0
}
