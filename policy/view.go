package policy

import (
	"sync"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

// View is a [catalog.Lookup] that also knows what policies mean. What it has judged it
// keeps. It may be used by several goroutines at once.
type View struct {
	*catalog.Lookup

	mu      sync.Mutex
	judged  map[judged]Judgement
	shadows []string // see shadowing
	bodies  map[*catalog.Function]*body.Body
}

// judged is an expression as a policy of one table says it.
type judged struct {
	expr  *catalog.Expr
	table *catalog.Relation
}

// NewView returns a View of what a Lookup holds. Its Model must be set for anything to
// be called isolating.
func NewView(l *catalog.Lookup) *View {
	if l.Model == nil {
		l = l.With(&catalog.Model{})
	}
	return &View{Lookup: l, judged: map[judged]Judgement{}, bodies: map[*catalog.Function]*body.Body{}}
}

// With returns a View of the same Snapshot under another Model.
func (v *View) With(m *catalog.Model) *View { return NewView(v.Lookup.With(m)) }

// Judge says what an expression of a policy on t means. A nil e is [Absent]. Answers
// are kept: the expression may not change afterwards.
func (v *View) Judge(e *catalog.Expr, t *catalog.Relation) Judgement {
	if e == nil {
		return Judgement{Flaw: Absent}
	}
	key := judged{e, t}
	v.mu.Lock()
	j, ok := v.judged[key]
	v.mu.Unlock()
	if ok {
		return j
	}
	j = v.judge(e, t)
	v.mu.Lock()
	v.judged[key] = j
	v.mu.Unlock()
	return j
}
