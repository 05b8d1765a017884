package schema

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// Callable says why role cannot call the function name without arguments; "" means
// that it can. The function need not be of an exposed schema. An empty role is the one
// that loaded the snapshot.
func Callable(s *catalog.Snapshot, role string, name Name) string {
	if role == "" {
		role = s.User
	}
	g := newGrants(s, role)
	reason := "there is no such function"
	for i := range s.Functions {
		f := &s.Functions[i]
		switch {
		case f.Schema != name.Schema || f.Name != name.Name:
		case f.Kind != "function":
			reason = "it is a " + f.Kind + ", not a function"
		case slices.ContainsFunc(f.Params, required):
			reason = "it takes arguments"
		case !g.has(f.Privileges, "EXECUTE"):
			reason = "the role " + role + " may not execute it"
		case !g.mayUse(s.Schemas, name.Schema):
			reason = "the role " + role + " may not use the schema " + name.Schema
		default:
			return ""
		}
	}
	return reason
}

func required(p catalog.Param) bool {
	return (p.Mode == "in" || p.Mode == "inout") && !p.HasDefault
}

func (g grants) mayUse(schemas []catalog.Schema, name string) bool {
	return slices.ContainsFunc(schemas, func(s catalog.Schema) bool { return s.Name == name && g.has(s.Privileges, "USAGE") })
}
