package policy

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// What bodies are searched for by text.
var (
	settingRead   = regexp.MustCompile(`(?i)current_setting\s*\(\s*'([^']+)'`)
	roleRead      = regexp.MustCompile(`(?i)\b(current_user|session_user|current_role)\b`)
	qualifiedCall = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*)\.([A-Za-z_][A-Za-z0-9_]*)\s*\(`)
)

// facts notes what an expression reads and how it is spelt, sub-queries included.
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
	settings := SettingsIn(f.Body)
	a.j.Settings = append(a.j.Settings, settings...)
	for _, setting := range settings {
		a.settingKind(setting, nil)
	}
	if len(settings) > 0 && f.Volatile == "immutable" {
		a.j.ImmutableHelper = true
	}
	a.j.UsesRoleName = a.j.UsesRoleName || roleRead.MatchString(f.Body)
	for _, called := range a.v.calledIn(f.Body) {
		a.helperFacts(called.OID, called.QName())
	}
}

// SettingsIn returns the settings that a body reads by a literal name.
func SettingsIn(text string) []string {
	var all []string
	for _, m := range settingRead.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ToLower(m[1]))
	}
	return all
}

// calledIn returns the user's functions whose qualified name a body mentions.
func (v *View) calledIn(text string) []*catalog.Function {
	var all []*catalog.Function
	for _, m := range qualifiedCall.FindAllStringSubmatch(text, -1) {
		for _, f := range v.Functions(catalog.QName{Schema: strings.ToLower(m[1]), Name: strings.ToLower(m[2])}) {
			if !f.System {
				all = append(all, f)
			}
		}
	}
	return all
}

func compareNames(a, b catalog.QName) int {
	return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
}
