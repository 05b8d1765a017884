package lifecycle

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// link is a foreign key between rows of a tenant, or from elsewhere to them.
type link struct {
	from *catalog.Relation // the table, or the partitioned table, that refers
	key  *catalog.Constraint
	to   *part
}

// group are parts that refer to each other in a cycle, and so are written together; most
// are a single part that does not refer to itself.
type group struct {
	parts  []*part
	cyclic bool
}

// links lists the foreign keys that refer to rows of the parts. One that a partition has
// from its parent is listed once.
func links(v *policy.View, all []*part) []link {
	var out []link
	for r := range catalog.Each(v.Snapshot.Relations) {
		for k := range catalog.Each(r.Constraints) {
			if k.Type != catalog.ForeignKey || k.Inherited {
				continue
			}
			if to := find(v, all, k.References); to != nil {
				out = append(out, link{v.Relation(root(v, r.QName())), k, to})
			}
		}
	}
	return out
}

// ordered puts parts into groups, what is referred to before what refers (Tarjan's
// strongly connected components).
func ordered(v *policy.View, all []*part) []group {
	s := &components{index: map[*part]int{}, low: map[*part]int{}, on: map[*part]bool{}, next: map[*part][]*part{}}
	for _, l := range links(v, all) {
		if from := find(v, all, l.from.QName()); from != nil {
			s.next[from] = append(s.next[from], l.to)
		}
	}
	for _, p := range all {
		if _, seen := s.index[p]; !seen {
			s.visit(p)
		}
	}
	return s.groups
}

type components struct {
	next       map[*part][]*part
	index, low map[*part]int
	on         map[*part]bool
	stack      []*part
	groups     []group
}

func (s *components) visit(p *part) {
	s.index[p] = len(s.index)
	s.low[p] = s.index[p]
	s.stack, s.on[p] = append(s.stack, p), true
	self := false
	for _, q := range s.next[p] {
		self = self || q == p
		if _, seen := s.index[q]; !seen {
			s.visit(q)
			s.low[p] = min(s.low[p], s.low[q])
		} else if s.on[q] {
			s.low[p] = min(s.low[p], s.index[q])
		}
	}
	if s.low[p] == s.index[p] {
		s.groups = append(s.groups, s.pop(p, self))
	}
}

// pop takes the component that began with p off the stack.
func (s *components) pop(p *part, self bool) group {
	var g group
	for {
		last := s.stack[len(s.stack)-1]
		s.stack, s.on[last] = s.stack[:len(s.stack)-1], false
		g.parts = append(g.parts, last)
		if last == p {
			break
		}
	}
	g.cyclic = self || len(g.parts) > 1
	return g
}
