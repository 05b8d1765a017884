package audit

import (
	"strings"

	"github.com/moat-db/moat/catalog"
)

// helper is a user's function that policies call, directly or through another.
type helper struct {
	fn     *catalog.Function
	table  *catalog.Relation // the first whose policy calls it
	policy string
}

// helpers returns the functions that policies call, in order of name; with the ones
// that those call by name, when deep.
func (f *facts) helpers(deep bool) []helper {
	if got, ok := f.helping[deep]; ok {
		return got
	}
	found := map[catalog.OID]helper{}
	for r := range catalog.Each(f.s.Relations) {
		for j := range r.Policies {
			for _, e := range r.Policies[j].Exprs() {
				for n := range e.Root.All() {
					fn := f.look.Function(n.OID)
					if n.Kind == catalog.NodeFunction && fn != nil && !fn.System && found[fn.OID].fn == nil {
						found[fn.OID] = helper{fn: fn, table: r, policy: r.Policies[j].Name}
					}
				}
			}
		}
	}
	if deep {
		f.addCallees(found)
	}
	var out []helper
	for i := range f.s.Functions {
		if h, ok := found[f.s.Functions[i].OID]; ok {
			out = append(out, h)
		}
	}
	f.helping[deep] = out
	return out
}

// addCallees adds the functions that helpers mention in their bodies, until there are
// no more.
func (f *facts) addCallees(found map[catalog.OID]helper) {
	for {
		before := len(found)
		for i := range f.s.Functions { // in their order: the same Snapshot, the same report
			h, ok := found[f.s.Functions[i].OID]
			if !ok {
				continue
			}
			words := f.body(h.fn).Words
			for _, fn := range f.userFunctions {
				if _, ok := found[fn.OID]; !ok && words[strings.ToLower(fn.Name)] {
					found[fn.OID] = helper{fn: fn, table: h.table, policy: h.policy}
				}
			}
		}
		if len(found) == before {
			return
		}
	}
}

// collectIdentity records the names of helpers that read a setting, and of functions
// that call those: bodies that use one of them ask who is calling.
func (f *facts) collectIdentity() {
	for {
		before := len(f.identity)
		for _, fn := range f.userFunctions {
			if fn.Kind == "function" && len(fn.Params) == 0 && fn.Result != "trigger" && f.readsCaller(f.body(fn)) {
				f.identity[strings.ToLower(fn.Name)] = true
			}
		}
		if len(f.identity) == before {
			return
		}
	}
}

// callsIdentity reports whether a text mentions one of the identity functions.
func (f *facts) callsIdentity(text string) bool {
	text = strings.ToLower(text)
	for name := range f.identity {
		if strings.Contains(text, name+"(") {
			return true
		}
	}
	return false
}
