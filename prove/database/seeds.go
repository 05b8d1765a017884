package database

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// seed is one planted row, for scripts.
type seed struct {
	table  catalog.QName
	row    row    // as stored
	insert string // the statement that made it
	quiet  bool   // made without triggers and checks of references
}

// Between these the operator's statements fire no trigger and check no reference.
const (
	quietly = "SET LOCAL session_replication_role = replica"
	aloud   = "SET LOCAL session_replication_role = origin"
)

func (s seed) statements() []string {
	if s.quiet {
		return []string{quietly, s.insert, aloud}
	}
	return []string{s.insert}
}

// seeds are the rows planted on a session, in order, and where those of a table are.
type seeds struct {
	list []seed
	of   map[catalog.QName][]int
}

func (s *seeds) add(one seed) {
	if s.of == nil {
		s.of = map[catalog.QName][]int{}
	}
	s.of[one.table] = append(s.of[one.table], len(s.list))
	s.list = append(s.list, one)
}

// harvest is a choice of seeds, by number in the order of planting. It is torn when
// rows are left out that others of it refer to.
type harvest struct {
	from *seeds
	keep []int
	torn bool
}

func (s *seeds) all() harvest {
	keep := make([]int, len(s.list))
	for i := range keep {
		keep[i] = i
	}
	return harvest{from: s, keep: keep}
}

// mostReferred is how many rows a script plants only because others refer to them:
// chains of references would make each script as long as the schema is deep.
const mostReferred = 30

// needed chooses the rows of a relation and of what it reads, and the nearest of those
// that they, and rows to be inserted, refer to.
func (s *seeds) needed(view *catalog.Lookup, r *catalog.Relation, inserted []row) harvest {
	h := harvest{from: s}
	kept := map[int]bool{}
	type link struct {
		rel *catalog.Relation
		row row
	}
	var open []link
	keep := func(rel *catalog.Relation, i int) {
		if !kept[i] {
			kept[i] = true
			h.keep = append(h.keep, i)
			open = append(open, link{rel, s.list[i].row})
		}
	}
	for _, rel := range sources(view, r) {
		for _, i := range s.of[rel.QName()] {
			keep(rel, i)
		}
		open = append(open, list.Map(inserted, func(one row) link { return link{rel, one} })...)
	}
	most := len(h.keep) + mostReferred
	for n := 0; n < len(open) && !h.torn; n++ {
		for parent, i := range s.referred(view, open[n].rel, open[n].row) {
			if h.torn = len(h.keep) >= most && !kept[i]; h.torn {
				break
			}
			keep(parent, i)
		}
	}
	slices.Sort(h.keep)
	return h
}

// sources are a relation and those it reads or is a part of, however far.
func sources(view *catalog.Lookup, r *catalog.Relation) []*catalog.Relation {
	out, seen := []*catalog.Relation{r}, map[*catalog.Relation]bool{r: true}
	for n := 0; n < len(out); n++ {
		next := view.Parents(out[n])
		for _, d := range view.Reads(out[n].QName()) {
			if !d.Function {
				next = append(next, view.Relation(d.On))
			}
		}
		for _, to := range next {
			if to != nil && !seen[to] {
				seen[to] = true
				out = append(out, to)
			}
		}
	}
	return out
}

// referred yields the seeds that a row's foreign keys lead to.
func (s *seeds) referred(view *catalog.Lookup, rel *catalog.Relation, r row) func(func(*catalog.Relation, int) bool) {
	return func(yield func(*catalog.Relation, int) bool) {
		for _, c := range rel.Constraints {
			parent := view.Relation(c.References)
			if c.Type != catalog.ForeignKey || parent == nil {
				continue
			}
			for _, i := range s.of[c.References] {
				if r.refersTo(s.list[i].row, c) && !yield(parent, i) {
					return
				}
			}
		}
	}
}

// refersTo says whether the row's foreign key leads to a row of the other table.
func (r row) refersTo(parent row, c catalog.Constraint) bool {
	for i, name := range c.Columns {
		if v, ok := r[name]; !ok || v == null || v != parent[c.RefColumns[i]] {
			return false
		}
	}
	return true
}

// write writes the chosen seeds among those from one number to another.
func (h harvest) write(b *strings.Builder, from, to int) {
	if h.torn {
		b.WriteString("-- These rows refer to others, which are left out: references are not checked, triggers do not " +
			"fire.\n")
		put(b, []string{quietly})
	}
	for _, i := range h.keep {
		switch {
		case i < from || i >= to:
		case h.torn:
			put(b, []string{h.from.list[i].insert})
		default:
			put(b, h.from.list[i].statements())
		}
	}
	if h.torn {
		put(b, []string{aloud})
	}
}
