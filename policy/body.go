package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
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
	if f == nil || f.System || len(a.calls) >= maxCalls || slices.Contains(a.calls, f) || !a.v.meansWhatItSays(f) {
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

// meansWhatItSays says whether the names in a function's body are those that they seem.
// A setting of the function's own may be the tenant's. A user's current_setting or = is
// taken for PostgreSQL's where the path comes to its schema before pg_catalog, and even
// after it where its arguments fit better: varchar = varchar is not PostgreSQL's own.
func (v *View) meansWhatItSays(f *catalog.Function) bool {
	var path []string
	for _, setting := range f.Settings {
		name, value, _ := strings.Cut(setting, "=")
		if !strings.EqualFold(name, "search_path") {
			return false
		}
		path = schemasOf(value)
	}
	switch {
	case f.BodyParsed: // names were resolved when the function was made
		return true
	case path == nil || slices.Contains(path, "$user"):
		return len(v.shadowing()) == 0 // the caller's path
	}
	return !slices.ContainsFunc(path, func(schema string) bool { return slices.Contains(v.shadowing(), schema) }) &&
		!slices.Contains(path[1:], "pg_catalog")
}

// schemasOf lists the schemas of a search_path; there is always a first.
func schemasOf(path string) []string {
	names := strings.Split(path, ",")
	for i, name := range names {
		names[i] = strings.Trim(strings.TrimSpace(name), `"'`)
	}
	return names
}

// shadowing lists the schemas in which a user made a function or an operator with the
// name of one that the reader of bodies takes for PostgreSQL's.
func (v *View) shadowing() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shadows == nil {
		v.shadows = []string{}
		for _, f := range v.Snapshot.Functions {
			if !f.System && f.Extension == "" && body.IsBuiltin(f.Name) {
				v.shadows = append(v.shadows, f.Schema)
			}
		}
		v.shadows = append(v.shadows, list.Map(v.Snapshot.Operators, func(o catalog.QName) string { return o.Schema })...)
	}
	return v.shadows
}

func (a *analyst) leave() { a.calls = a.calls[:len(a.calls)-1] }
