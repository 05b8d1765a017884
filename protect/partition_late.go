package protect

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// late tells the indexes that are built once the rows are copied: an index of nearest
// neighbours takes many times as long row by row.
func late(x catalog.Index) bool { return x.NearestKey() != nil }

// lateIndexes builds them on each partition, and ties them to the partitioned table's. It
// returns the steps that the swap needs.
func (w *partitioner) lateIndexes(on catalog.QName) (last []string) {
	for _, x := range w.rel.Indexes {
		if !late(x) {
			continue
		}
		name := sqltext.Name(x.Name, "moat")
		whole := catalog.QName{Schema: on.Schema, Name: name}
		only := "index/" + x.Name
		w.step(only, Step{Title: "create index " + x.Name + " without its partitions", Needs: needed(w.id("copy")),
			SQL: []string{reindexed(x.Definition, name, on, "ONLY ")}, Undo: []string{"DROP INDEX IF EXISTS " + whole.SQL()},
			Lock: ShareUpdateExclusive, Reason: "it is valid once each partition's is attached"})
		var attach []string
		for _, p := range w.parts() {
			part := w.lateIndex(x, p.name, w.id(only))
			attach = append(attach, fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s", whole.SQL(), part.SQL()))
		}
		w.step(only+"/attach", Step{Title: "attach the partitions' indexes to " + x.Name, SQL: attach,
			Needs: needed(w.id(only)), Lock: ShareUpdateExclusive, Reason: "the partitioned table's index becomes valid"})
		last = append(last, w.id(only+"/attach"))
	}
	return last
}

// lateIndex builds one on a table of its own.
func (w *partitioner) lateIndex(x catalog.Index, on catalog.QName, needs string) catalog.QName {
	q := catalog.QName{Schema: on.Schema, Name: sqltext.Name(on.Name, x.Name)}
	w.step("index/"+x.Name+"/"+on.Name, Step{Kind: KindConcurrent, Title: "build index " + q.Name + " of " + key(on),
		SQL:   []string{"CREATE INDEX CONCURRENTLY" + reindexed(x.Definition, q.Name, on, "")[len("CREATE INDEX"):]},
		Index: q, Needs: needed(needs), Lock: ShareUpdateExclusive, Scans: true, Estimate: w.indexSize(w.rel),
		Hazards: []string{"waits for transactions that started before it"},
		Reason:  "built at once it takes a fraction of what it takes row by row"})
	return q
}
