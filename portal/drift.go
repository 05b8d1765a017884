package portal

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// change is one difference between two states of a schema.
type change struct {
	What   string // added, removed, changed
	Object string
	Before string
	After  string
}

// flatten takes a snapshot apart into named parts, each as JSON: a table's policies,
// columns, keys and grants one by one, so that a difference names what differs.
func flatten(s *catalog.Snapshot) map[string]string {
	p := parts{}
	for _, r := range s.Relations {
		p.relation(r)
	}
	for _, f := range s.Functions {
		if !f.System {
			p.put("function "+f.Schema+"."+f.Name+"("+f.Arguments+")", f)
		}
	}
	for _, r := range s.Roles {
		if !strings.HasPrefix(r.Name, "pg_") {
			p.put("role "+r.Name, r)
		}
	}
	for _, m := range s.Memberships {
		p.put("membership of "+m.Member+" in "+m.Role+" by "+m.Grantor, m)
	}
	for _, n := range s.Schemas {
		p.put("schema "+n.Name, n)
	}
	for _, t := range s.Types {
		p.put("type "+t.Schema+"."+t.Name, t)
	}
	for _, e := range s.Events {
		p.put("event trigger "+e.Name, e)
	}
	for _, x := range s.Extensions {
		p.put("extension "+x.Name, x)
	}
	for _, x := range s.Publications {
		p.put("publication "+x.Name, x)
	}
	for _, x := range s.Stored {
		p.put("setting "+x.Name+" of role "+cmp.Or(x.Role, "(every)"), x)
	}
	for _, x := range s.Parameters {
		p.put("right to set "+x.Name+" of "+x.Privilege.Grantee, x)
	}
	for _, x := range s.Servers {
		p.put("foreign server "+x.Name, x)
	}
	for _, x := range s.Defaults {
		p.put("default privilege "+x.Privilege.Name+" on "+x.Object+" of "+x.Role+" for "+cmp.Or(x.Privilege.Grantee, "PUBLIC"), x)
	}
	p.put("database", s.Database)
	return p
}

type parts map[string]string

func (p parts) put(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte(err.Error()) // plain values: it cannot happen, and if it did it is a difference
	}
	p[name] = string(text)
}

// relation puts what hangs on a relation under names of its own, and the rest as one.
func (p parts) relation(r catalog.Relation) {
	name := string(r.Kind) + " " + r.Schema + "." + r.Name
	for _, x := range r.Policies {
		if x.Using != nil {
			x.Using = &catalog.Expr{Text: x.Using.Text}
		}
		if x.Check != nil {
			x.Check = &catalog.Expr{Text: x.Check.Text}
		}
		p.put(name+" › policy "+x.Name, x)
	}
	for _, x := range r.Columns {
		p.put(name+" › column "+x.Name, x)
	}
	for _, x := range r.Constraints {
		p.put(name+" › constraint "+x.Name, x)
	}
	for _, x := range r.Indexes {
		p.put(name+" › index "+x.Name, x)
	}
	for _, x := range r.Triggers {
		p.put(name+" › trigger "+x.Name, x)
	}
	for _, x := range r.Rules {
		p.put(name+" › rule "+x.Name, x)
	}
	for _, x := range r.Privileges {
		p.put(name+" › "+x.Name+" for "+cmp.Or(x.Grantee, "PUBLIC"), x)
	}
	p.put(name+" › row-level security", map[string]bool{"enabled": r.RLS, "forced": r.ForceRLS})
	p.put(name+" › owner", r.Owner)
	r.Policies, r.Columns, r.Constraints, r.Indexes, r.Triggers, r.Rules, r.Privileges = nil, nil, nil, nil, nil, nil, nil
	r.RLS, r.ForceRLS, r.Owner = false, false, ""
	p.put(name, r)
}

// compare says what differs between two states, in the order of the names.
func compare(before, after map[string]string) []change {
	names := map[string]bool{}
	for n := range before {
		names[n] = true
	}
	for n := range after {
		names[n] = true
	}
	var out []change
	for _, n := range slices.Sorted(maps.Keys(names)) {
		was, had := before[n]
		is, has := after[n]
		switch {
		case !had:
			out = append(out, change{What: "added", Object: n, After: is})
		case !has:
			out = append(out, change{What: "removed", Object: n, Before: was})
		case was != is:
			out = append(out, change{What: "changed", Object: n, Before: was, After: is})
		}
	}
	return out
}
