package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// facts notes what an expression reads and how it is spelt, subqueries included.
func (a *analyst) facts(n *catalog.Node, depth int) {
	switch n.Kind {
	case catalog.NodeColumn:
		if n.Level == depth && n.Relation == a.t.QName() {
			a.j.Columns = append(a.j.Columns, n.Column)
			a.j.ReadsTenant = a.j.ReadsTenant || n.Column == a.column && a.column != ""
		}
	case catalog.NodeValue:
		a.j.UsesRoleName = a.j.UsesRoleName || isRoleName(n.Name)
	case catalog.NodeFunction, catalog.NodeCast:
		a.functionFacts(n, depth)
	case catalog.NodeOperator, catalog.NodeAny, catalog.NodeAll:
		a.operatorFacts(n, depth)
	case catalog.NodeAnyQuery, catalog.NodeExists, catalog.NodeAllQuery:
		a.j.SubLinkPerRow = true
	case catalog.NodeDistinct:
		a.j.Negated = a.j.Negated || a.touchesTenant(n, depth) && !a.notDistinct[n]
	case catalog.NodeNot:
		if arg := n.Args[0]; arg.Kind == catalog.NodeDistinct {
			a.notDistinct[arg] = true
			a.j.NotDistinct = a.j.NotDistinct || a.touchesTenant(arg, depth)
		}
	}
	for _, arg := range n.Args {
		a.facts(arg, depth)
	}
	if n.Query != nil {
		a.queryFacts(n.Query, depth+1)
	}
}

func (a *analyst) queryFacts(q *catalog.Query, depth int) {
	a.j.Subqueries = append(a.j.Subqueries, q.Tables...)
	for _, list := range [][]*catalog.Node{q.Select, q.Calls} {
		for _, n := range list {
			if n != nil {
				a.facts(n, depth)
			}
		}
	}
	if q.Where != nil {
		a.facts(q.Where, depth)
	}
	for _, sub := range q.From {
		a.queryFacts(sub, depth+1)
	}
}

func (a *analyst) operatorFacts(n *catalog.Node, depth int) {
	switch n.Name {
	case "~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*", "^@":
		a.j.ComparesPattern = a.j.ComparesPattern || a.touchesTenant(n, depth)
	case "<>":
		a.j.Negated = a.j.Negated || a.touchesTenant(n, depth)
	}
	if n.Kind == catalog.NodeAll && a.touchesTenant(n, depth) {
		a.j.Negated = true
	}
}

// functionFacts notes a function called: a setting read, a pattern matched, or a
// user's function, whose body may read settings itself.
func (a *analyst) functionFacts(n *catalog.Node, depth int) {
	schema, name, _ := strings.Cut(n.Name, ".")
	switch {
	case n.OID == 0 && n.Kind == catalog.NodeCast:
	case n.Name == "pg_catalog.current_setting":
		if x := a.settingValue(n); x.setting != "" {
			a.j.Settings = append(a.j.Settings, x.setting)
			if len(x.path) > 0 {
				a.j.Claims = append(a.j.Claims, strings.Join(x.path, "."))
			}
		}
	case schema == "pg_catalog":
		switch name {
		case "current_user", "session_user", "getpgusername", "pg_has_role":
			a.j.UsesRoleName = true
		case "strpos", "position", "starts_with", "like", "notlike", "texticlike", "string_to_array",
			"regexp_match", "regexp_matches", "regexp_like", "substr", "substring", "left", "right", "split_part":
			a.j.ComparesPattern = a.j.ComparesPattern || a.touchesTenant(n, depth)
		}
	default:
		a.helperFacts(n.OID, catalog.QName{Schema: schema, Name: name})
	}
}

// helperFacts notes a user's function and, by text, what its body reads.
func (a *analyst) helperFacts(oid catalog.OID, name catalog.QName) {
	if slices.Contains(a.j.FunctionOIDs, oid) && oid != 0 {
		return
	}
	a.j.Functions = append(a.j.Functions, name)
	a.j.FunctionOIDs = append(a.j.FunctionOIDs, oid)
	f := a.v.Function(oid)
	if f == nil {
		return
	}
	b := a.v.Body(f)
	a.j.Settings = append(a.j.Settings, b.Settings...)
	for _, setting := range b.Settings {
		a.settingKind(setting, nil)
	}
	a.j.ImmutableHelper = a.j.ImmutableHelper || len(b.Settings) > 0 && f.Volatile == "immutable"
	a.j.UsesRoleName = a.j.UsesRoleName || b.Mentions("current_user", "session_user", "current_role")
	for _, name := range b.Calls {
		for _, called := range a.v.Functions(name) {
			if !called.System {
				a.helperFacts(called.OID, name)
			}
		}
	}
}

func compareNames(a, b catalog.QName) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}
