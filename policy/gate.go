package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// GateRoles are the roles that a gate lets through: an expression that is true for whoever
// has the privileges of one of them, and of nobody else. nil for any other expression.
func GateRoles(e *catalog.Expr) []string {
	if e == nil || e.Root == nil {
		return nil
	}
	return gateRoles(e.Root)
}

func gateRoles(n *catalog.Node) []string {
	switch {
	case n.Kind == catalog.NodeExists:
		return whereRoles(n.Query)
	case n.Kind == catalog.NodeNullTest && n.Name == "is not null" && n.Args[0].Kind == catalog.NodeSubquery:
		return somethingRoles(n.Args[0].Query)
	case n.Kind == catalog.NodeSubquery && n.Query.Simple:
		return gateRoles(n.Query.Select[0])
	case n.Kind == catalog.NodeOr:
		var all []string
		for _, arg := range n.Args {
			roles := gateRoles(arg)
			if roles == nil {
				return nil
			}
			all = append(all, roles...)
		}
		return all
	case n.Kind == catalog.NodeFunction && n.Name == "pg_catalog.pg_has_role" && len(n.Args) == 2:
		role, right := bare(n.Args[0]), bare(n.Args[1])
		if role.Kind == catalog.NodeConst && right.Kind == catalog.NodeConst && right.Value == "USAGE" {
			return []string{role.Value}
		}
	}
	return nil
}

// somethingRoles reads (SELECT test OR NULL), which is something only where the test holds, and
// (SELECT 1 WHERE test).
func somethingRoles(q *catalog.Query) []string {
	if len(q.Select) != 1 {
		return nil
	}
	value := bare(q.Select[0])
	switch {
	case value.Kind == catalog.NodeConst:
		return whereRoles(q)
	case value.Kind == catalog.NodeOr && q.Simple:
		tests := slices.DeleteFunc(slices.Clone(value.Args), func(n *catalog.Node) bool {
			return n.Kind == catalog.NodeConst && n.Null
		})
		if len(tests) < len(value.Args) {
			return gateRoles(&catalog.Node{Kind: catalog.NodeOr, Args: tests})
		}
	}
	return nil
}

// whereRoles reads (SELECT … WHERE test): a row only where it holds.
func whereRoles(q *catalog.Query) []string {
	if len(q.Tables)+len(q.From)+len(q.Calls) > 0 || q.SetOperation || q.Aggregate || q.Where == nil {
		return nil
	}
	return gateRoles(q.Where)
}

// shuts reports whether a restrictive policy's expression is a gate that a role does not
// pass.
func (v *View) shuts(e *catalog.Expr, role string) bool {
	roles := GateRoles(e)
	return roles != nil && !slices.ContainsFunc(roles, func(name string) bool {
		return v.Joined(role, name, catalog.Usage)
	})
}

// Shuts reports whether a restrictive policy is a gate that a role does not pass.
func (v *View) Shuts(p *catalog.Policy, role string) bool {
	return !p.Permissive && (v.shuts(p.Using, role) || p.Using == nil && v.shuts(p.Check, role))
}

// Gated returns the roles that the gates of a table let through: policies TO PUBLIC for
// every command. ok is false where there is none.
func (v *View) Gated(t *catalog.Relation) (roles []string, ok bool) {
	for p := range catalog.Each(t.Policies) {
		if p.Permissive || p.Command != "ALL" || !slices.Contains(p.Roles, "") {
			continue
		}
		if found := GateRoles(p.Using); found != nil && (p.Check == nil || slices.Equal(GateRoles(p.Check), found)) {
			if !ok {
				roles, ok = found, true
				continue
			}
			roles = slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return !slices.Contains(found, r) })
		}
	}
	return roles, ok
}
