package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// indexBuild is an index to be built without keeping writers out.
type indexBuild struct {
	group  Group
	id     string
	rel    *catalog.Relation
	unique bool
	// constraint makes a unique index of a plain table into a constraint of its name.
	constraint bool
	name       string
	// keys is "(a, b DESC) INCLUDE (c)", tail what follows (WITH …, WHERE …).
	keys, tail string
	// deferrable ends the constraint of a unique one.
	deferrable    string
	title, reason string
}

// indexName names an index after its table and columns. A name that an index of
// the same table has already is taken over: it is what an interrupted build left.
func (p *planner) indexName(rel *catalog.Relation, parts []string) string {
	return p.freeIndex(rel, sqltext.Name(append([]string{rel.Name}, parts...)...))
}

func (p *planner) freeIndex(rel *catalog.Relation, base string) string {
	n := free(base, func(s string) bool {
		return p.taken[rel.Schema+"."+s] && !leftover(rel, s)
	})
	p.taken[rel.Schema+"."+n] = true
	return n
}

// leftover reports whether the table has an index of this name that is not valid
// and not a constraint's: CREATE INDEX CONCURRENTLY leaves one when it is stopped.
func leftover(rel *catalog.Relation, index string) bool {
	x := indexNamed(rel, index)
	return x != nil && !x.Valid && !x.Constraint
}

func indexNamed(rel *catalog.Relation, index string) *catalog.Index {
	for i := range rel.Indexes {
		if rel.Indexes[i].Name == index {
			return &rel.Indexes[i]
		}
	}
	return nil
}

// buildIndex plans the build: CONCURRENTLY on a plain table; on a partitioned one
// ON ONLY the parent, CONCURRENTLY on each partition, and an ATTACH for each.
func (p *planner) buildIndex(b indexBuild) {
	if b.rel.Kind == catalog.PartitionedTable {
		p.partitionedIndex(b)
		return
	}
	if !b.constraint {
		p.concurrently(b, b.rel, b.name, b.id, "")
		return
	}
	p.concurrently(b, b.rel, b.name, b.id+"/index", "")
	p.uniqueConstraint(b, b.name, b.id+"/index")
}

// uniqueConstraint makes a unique index of ours into a constraint of its name. Never a
// team's own: undoing the constraint would take its index along.
func (p *planner) uniqueConstraint(b indexBuild, index, needs string) {
	p.add(Step{ID: b.id, Group: b.group, Table: b.rel.QName(), Needs: needed(needs), Title: "add constraint " + b.title,
		SQL: []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s", b.rel.QName().SQL(),
			sqltext.Ident(index), sqltext.Ident(index), b.deferrable)},
		Undo: []string{dropConstraint(b.rel.QName(), index)}, Lock: AccessExclusive,
		Reason: "the index exists already, so no scan is needed"})
}

func (p *planner) concurrently(b indexBuild, rel *catalog.Relation, index, id, needs string) {
	q := catalog.QName{Schema: rel.Schema, Name: index}
	drop := "DROP INDEX CONCURRENTLY IF EXISTS " + q.SQL()
	var sql []string
	if leftover(rel, index) {
		sql = append(sql, drop)
	}
	sql = append(sql, fmt.Sprintf("CREATE %sINDEX CONCURRENTLY %s ON %s%s%s", uniqueWord(b.unique), sqltext.Ident(index),
		onlyTable(rel), b.keys, b.tail))
	undo := []string{drop}
	if rel.Partition {
		undo = []string{} // the parent's undo takes it along
	}
	p.add(Step{ID: id, Group: b.group, Kind: KindConcurrent, Table: rel.QName(), Needs: needed(needs),
		Title: "create index " + b.title, SQL: sql, Undo: undo, Index: q,
		Lock: ShareUpdateExclusive, Scans: true, Estimate: p.indexSize(rel),
		Hazards: []string{"waits for transactions that started before it"}, Reason: b.reason})
}

func onlyTable(rel *catalog.Relation) string { return rel.QName().SQL() + " " }

func uniqueWord(unique bool) string {
	if unique {
		return "UNIQUE "
	}
	return ""
}

// partitionedIndex goes down the tree of partitions. The parent's index is valid
// once every partition's is attached.
func (p *planner) partitionedIndex(b indexBuild) {
	for _, part := range p.partitions(b.rel) {
		if part.Kind == catalog.ForeignTable {
			p.note(key(b.rel.QName()), fmt.Sprintf("gets no index on %s: its partition %s is a foreign table, which has none",
				b.title, key(part.QName())))
			return
		}
	}
	existing := indexNamed(b.rel, b.name)
	if existing == nil {
		existing = p.invalidLike(b)
	}
	parentName := b.name
	if existing != nil {
		parentName = existing.Name
	} else {
		p.onOnly(b, b.rel, b.name, b.id)
	}
	p.attachAll(b, b.rel, parentName)
}

// invalidLike finds the parent's index that an interrupted run began.
func (p *planner) invalidLike(b indexBuild) *catalog.Index {
	base := sqltext.Name(b.rel.Name, "")
	for x := range catalog.Each(b.rel.Indexes) {
		if !x.Valid && strings.HasPrefix(x.Name, base) && strings.Contains(x.Definition, b.keys) {
			return x
		}
	}
	return nil
}

func (p *planner) onOnly(b indexBuild, rel *catalog.Relation, index, id string) {
	q := catalog.QName{Schema: rel.Schema, Name: index}
	undo := []string{}
	if !rel.Partition {
		undo = append(undo, "DROP INDEX IF EXISTS "+q.SQL())
		for _, part := range p.partitions(rel) {
			// Attached ones have gone with the parent's by now.
			undo = append(undo, "DROP INDEX IF EXISTS "+catalog.QName{Schema: part.Schema, Name: partIndex(b, part)}.SQL())
		}
	}
	p.add(Step{ID: id, Group: b.group, Table: rel.QName(), Title: "create index " + b.title +
		" on the partitioned table, without its partitions",
		SQL: []string{fmt.Sprintf("CREATE %sINDEX IF NOT EXISTS %s ON ONLY %s%s%s", uniqueWord(b.unique),
			sqltext.Ident(index), onlyTable(rel), b.keys, b.tail)},
		Undo: undo, Lock: ShareUpdateExclusive, Reason: b.reason})
}

// partIndex names a partition's part of an index after the parent's.
func partIndex(b indexBuild, part *catalog.Relation) string {
	return sqltext.Name(part.Name, strings.TrimPrefix(b.name, b.rel.Name+"_"))
}

func (p *planner) attachAll(b indexBuild, parent *catalog.Relation, parentIndex string) {
	for _, part := range p.Children(parent) {
		index := partIndex(b, part)
		if x := indexNamed(part, index); x != nil && x.Inherited {
			if part.Kind == catalog.PartitionedTable {
				p.attachAll(b, part, index)
			}
			continue
		}
		build := stepID(b.group, part.QName(), index)
		x := indexNamed(part, index)
		switch {
		case part.Kind == catalog.PartitionedTable && x == nil:
			p.onOnly(b, part, index, build)
		case part.Kind != catalog.PartitionedTable && (x == nil || !x.Valid):
			p.concurrently(b, part, index, build, b.id)
		}
		if part.Kind == catalog.PartitionedTable {
			p.attachAll(b, part, index)
		}
		p.attach(b, part, parent.Schema, parentIndex, index, build)
	}
}

func (p *planner) attach(b indexBuild, part *catalog.Relation, parentSchema, parentIndex, index, needs string) {
	parent := catalog.QName{Schema: parentSchema, Name: parentIndex}
	child := catalog.QName{Schema: part.Schema, Name: index}
	p.add(Step{ID: stepID(b.group, part.QName(), index+"/attach"), Group: b.group, Table: part.QName(),
		Needs: needed(needs),
		Title: "attach index " + index + " to " + parentIndex,
		SQL:   []string{fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s", parent.SQL(), child.SQL())},
		Undo:  []string{}, Lock: ShareUpdateExclusive,
		Reason: "the parent's index becomes valid once every partition's index is attached"})
}

// sizeOf estimates a step over a table; perSecond is rows a second, 0 for a step
// that reads none.
func (p *planner) sizeOf(rel *catalog.Relation, perSecond int64) Estimate {
	var e Estimate
	for _, part := range p.physical(rel) {
		e.Bytes += part.Estimate.Bytes
		if part.Estimate.Rows < 0 && part.Estimate.Bytes > 0 {
			e.Rows = -1
		}
		if e.Rows >= 0 && part.Estimate.Rows > 0 {
			e.Rows += int64(part.Estimate.Rows)
		}
	}
	if perSecond > 0 && e.Rows > 0 {
		e.Seconds = e.Rows/perSecond + 1
	}
	return e
}

// indexSize is that of an index to be built: an entry of two or three short keys takes about
// 48 bytes.
func (p *planner) indexSize(rel *catalog.Relation) Estimate {
	e := p.sizeOf(rel, 300_000)
	e.Disk = 48*max(e.Rows, 0) + 8192
	return e
}

// prefixOf reports whether the keys a are the first keys of b.
func prefixOf(a, b []string) bool {
	return len(a) <= len(b) && slices.Equal(a, b[:len(a)])
}
