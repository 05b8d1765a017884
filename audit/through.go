package audit

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
)

// past returns a tenant table whose rows a function's text reads, past its policies, by
// way of a view or of another function; nil where it reads none so.
func (f *facts) past(fn *catalog.Function, u *body.Uses) *catalog.Relation {
	for _, use := range u.Tables {
		for v := range catalog.Each(f.s.Relations) {
			if v.Name == use.Name && (use.Schema == "" || use.Schema == v.Schema) {
				if t := f.carried(v, fn.Owner); t != nil {
					return t
				}
			}
		}
	}
	for _, called := range f.userFunctions {
		if called != fn && u.Mentions(called.Name) {
			if t := f.handedOn(fn, called); t != nil {
				return t
			}
		}
	}
	return nil
}

// carried returns a tenant table whose rows a view shows past its policies to a role; what
// the view itself compares with the caller is left to the rules about views.
func (f *facts) carried(v *catalog.Relation, role string) *catalog.Relation {
	if v.Kind != catalog.View && v.Kind != catalog.MaterializedView || v.Kind == catalog.View && f.filters(v) {
		return nil
	}
	if !v.SecurityInvoker {
		role = v.Owner
	}
	for _, name := range f.look.Beneath(v.QName()) {
		t := f.look.Relation(name)
		if t != nil && f.holdsTenants(name) && (v.Kind == catalog.MaterializedView || f.bypassesPolicies(role, t)) {
			return t
		}
	}
	return nil
}

// handedOn returns a tenant table that a called function touches without asking who calls:
// an invoker's function with the rights of fn, a definer's that no tenant may call itself.
func (f *facts) handedOn(fn, called *catalog.Function) *catalog.Relation {
	b := f.body(called)
	if f.asks(b) || called.Definer && f.callable(called) || called.Result == "trigger" {
		return nil
	}
	as := *called
	if !called.Definer {
		as.Owner = fn.Owner
	}
	return f.bypassedTable(&as, func(t *catalog.Relation) bool {
		reads, _ := b.Of(t.QName())
		return reads
	})
}
