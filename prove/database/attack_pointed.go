package database

import (
	"context"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

// pointed are rows of A's own, in tables whose triggers, defaults or checks read or run something,
// that name rows of B's: by an id in a column that no key holds, or by the same texts. What a trigger then puts
// into the row, or says, must not depend on whether B's rows are there.
func (s *stage) pointed(ctx context.Context) []*observable {
	var out []*observable
	for _, t := range s.targets {
		st := s.sites[t]
		if !t.isTable() || !t.reach.usage || !t.reach.insert || st.spareA == nil || len(st.rowsB) == 0 || !s.consults(t) {
			continue
		}
		o := &observable{attack: "trigger lookup", object: t.name(), trigger: true}
		own := s.newOf(st)
		for _, r := range s.pointing(st, own) {
			insert, back := st.insert(own.with(r)), ""
			if len(t.reach.selects) > 0 {
				back = " RETURNING " + sqltext.Idents(t.reach.selects)
			}
			o.sql = append(o.sql, insert+back)
			if sweep := s.sweep(ctx); sweep != "" && !t.holdsText(r) {
				o.sql = append(o.sql, insert+";\n"+sweep)
			}
		}
		if len(o.sql) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// newOf is a row of A's to insert. In a table to which a row can only add a tenant, A's is there
// already: there it is one of a tenant that is new.
func (s *stage) newOf(st *site) row {
	if s.view.AddsTenants(st.rel) {
		if id, ok := s.sower.maker.value(st.column(st.tenant), tagA, 0); ok {
			return st.spareA.with(row{st.tenant: id})
		}
	}
	return st.spareA
}

// consults says whether what a write to a table runs touches rows with an owner's rights, and
// nothing that reaches outside.
func (s *stage) consults(t *target) bool {
	if s.outside.writing(t.rel) != "" && !s.Disposable {
		return false
	}
	return slices.ContainsFunc(s.outside.runs(t.rel), func(f *catalog.Function) bool {
		return !f.System && !s.readsNothing(f) && s.asOwner(f)
	})
}

// asOwner says whether a function runs with the rights of an owner, or calls one that does.
func (s *stage) asOwner(f *catalog.Function) bool {
	words := body.Words(f.Body)
	return f.Definer || slices.ContainsFunc(s.view.Snapshot.Functions, func(called catalog.Function) bool {
		return called.Definer && words[called.Name]
	})
}

// pointing are values for a row of A's that name B's: the ids of B's rows in the table itself,
// those in the tables that columns are named for, and B's texts.
func (s *stage) pointing(st *site, own row) []row {
	ids, named, texts := row{}, row{}, row{}
	for _, name := range st.insertable() {
		c := st.column(name)
		if name == st.tenant || st.constrained(name) {
			continue
		}
		if v := keyLike(st, c); v != "" {
			ids[name] = v
		}
		if keys := s.keysOf(catalog.Param{Name: name, Type: c.Type}, s.theirs()); len(keys) > 0 {
			named[name] = keys[0]
		}
		if v := st.rowsB[0][name]; v != null && v != "" && v != own[name] && s.sower.kind(c) == "text" {
			texts[name] = v
		}
	}
	return slices.DeleteFunc([]row{ids, named, texts}, func(r row) bool { return len(r) == 0 })
}

// keyLike is the value of a key of the first of B's rows that a column's type can take, "" for none.
func keyLike(st *site, c *catalog.Column) string {
	for _, name := range st.key {
		if k := st.column(name); k != nil && name != st.tenant && k.Type == c.Type {
			return st.rowsB[0][name]
		}
	}
	return ""
}

// holdsText says whether values carry B's tag, so that A's row does.
func (t *target) holdsText(values row) bool {
	for _, v := range values {
		if strings.Contains(v, tag(tagB)) {
			return true
		}
	}
	return false
}

// unbound are definer's views and functions without arguments, as a session without a tenant
// sees them.
func (s *stage) unbound(all []*observable) []*observable {
	var out []*observable
	for _, o := range all {
		plain := o.function != nil && len(o.function.Inputs()) == 0 && o.definer
		if plain || o.rel != nil && o.definer && o.rel.Kind == catalog.View {
			out = append(out, &observable{attack: "no tenant", object: o.object, rel: o.rel, function: o.function,
				sql: slices.Clip(o.sql[:1]), definer: true, nobody: true})
		}
	}
	return out
}

// binding are the statements that say who looks.
func (s *stage) binding(ctx context.Context, o *observable) ([]string, error) {
	if o.nobody {
		return []string{}, nil
	}
	return s.operator.bind.to(ctx, s.a)
}
