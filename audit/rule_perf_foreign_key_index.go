package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var rulePerfForeignKeyIndex = Rule{
	ID: "perf-foreign-key-index", Severity: Low, Kind: Slow, Peer: "unindexed_foreign_keys",
	Title: "A foreign key has no index on the referencing columns",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		for fk := range catalog.Each(r.Constraints) {
			if fk.Type != catalog.ForeignKey || fk.Inherited || r.Partition || indexedByAll(r, fk.Columns) {
				continue
			}
			name := sqltext.Name(append(append([]string{r.Name}, fk.Columns...), "idx")...)
			report(onPart(r, fk.Name,
				fmt.Sprintf("Each delete from %s scans this whole table, all tenants included.", fk.References),
				fmt.Sprintf("No index starts with %s.", strings.Join(fk.Columns, ", "))).
				at(f.cost(r)).
				with(fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)",
					sqltext.Ident(name), r.QName().SQL(), sqltext.Idents(fk.Columns))))
		}
	}),
}

// indexedByAll reports whether an index starts with these columns, in any order.
func indexedByAll(r *catalog.Relation, columns []string) bool {
	want := slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(r.Indexes, func(x catalog.Index) bool {
		keys := x.Columns()
		if x.Predicate != "" || !x.Valid || len(keys) < len(want) {
			return false
		}
		return slices.Equal(slices.Sorted(slices.Values(keys[:len(want)])), want)
	})
}
