package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

// maxCalls bounds how deep helpers that call helpers are followed.
const maxCalls = 6

// Body returns what a function's body says. It is read once.
func (v *View) Body(f *catalog.Function) *body.Body {
	v.mu.Lock()
	defer v.mu.Unlock()
	b := v.bodies[f]
	if b == nil {
		b = body.Read(v.Lookup, f)
		v.bodies[f] = b
	}
	return b
}

// enter looks into a call of a user's function and returns what it can be, with the
// call's arguments in place; nil when the function is not understood. What is
// entered must be left.
func (a *analyst) enter(n *catalog.Node, f *catalog.Function) []*catalog.Node {
	if f == nil || f.System || len(a.calls) >= maxCalls || slices.Contains(a.calls, f) {
		return nil
	}
	var all []*catalog.Node
	for _, result := range a.v.Body(f).Results {
		all = append(all, body.Call(result, n.Args))
	}
	if all != nil {
		a.calls = append(a.calls, f)
	}
	return all
}

func (a *analyst) leave() { a.calls = a.calls[:len(a.calls)-1] }
