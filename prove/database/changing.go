package database

import (
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
)

// changing are the relations in which rows may change by what runs from one step on: by a write
// to a relation, or a call of a function. Of code that cannot be read nothing can be said: then any
// may, and it is nil.
func (o *outside) changing(from any) map[catalog.QName]bool {
	open, seen := []any{from}, map[any]bool{from: true}
	all := map[catalog.QName]bool{}
	for n := 0; n < len(open); n++ {
		if w, is := open[n].(writing); is {
			all[w.QName()] = true
		}
		next, readable := o.next(open[n])
		if !readable {
			return nil
		}
		for _, k := range next {
			if !seen[k] {
				seen[k] = true
				open = append(open, k)
			}
		}
	}
	return all
}

// next is what a step may run or change. A function may change whatever it names.
func (o *outside) next(key any) (next []any, readable bool) {
	switch k := key.(type) {
	case writing:
		next = append(next, reading(k))
		for _, f := range o.runs(k.Relation) {
			next = append(next, f)
		}
		next = append(next, list.Map(o.altered(k.Relation), func(to *catalog.Relation) any { return writing{to} })...)
		return next, k.Kind != catalog.ForeignTable && len(k.Rules) == 0
	case *catalog.Function:
		if used := body.Scan(k); !k.System && k.Extension == "" && (used.Foreign || used.Dynamic || used.Opaque()) {
			return nil, false
		}
		next = o.writingNamed(k)
	}
	s := o.step(key)
	return append(next, s.next...), s.why == ""
}

// altered are the relations whose rows an UPDATE or a DELETE of another's may change, too.
func (o *outside) altered(r *catalog.Relation) []*catalog.Relation {
	out := append(o.view.Descendants(r), o.beneath(r)...)
	out = append(out, o.view.Parents(r)...)
	for _, ref := range o.view.References(r.QName()) {
		if acts(ref.Key.OnDelete) || acts(ref.Key.OnUpdate) {
			out = append(out, ref.From)
		}
	}
	return out
}

func acts(action string) bool { return action != "" && action != "no action" && action != "restrict" }

// writingNamed takes every relation that a function names for one that it writes.
func (o *outside) writingNamed(f *catalog.Function) (all []any) {
	if f.System || f.Extension != "" {
		return nil
	}
	words := body.Words(f.Body)
	for i := range o.view.Snapshot.Relations {
		if r := &o.view.Snapshot.Relations[i]; words[strings.ToLower(r.Name)] {
			all = append(all, writing{r})
		}
	}
	return all
}
