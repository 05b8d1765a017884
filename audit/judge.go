package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// judge asks questions about the parts of an expression over one table.
type judge struct {
	f   *facts
	r   *catalog.Relation
	col string // the tenant column; "" for a child table
}

func (f *facts) judge(r *catalog.Relation) judge {
	return judge{f: f, r: r, col: f.tenantColumn(r.QName())}
}

// isolates says whether rows that satisfy one part are the caller's tenant's.
func (j judge) isolates(n *catalog.Node) bool {
	return j.f.look.Judge(&catalog.Expr{Root: n}, j.r).Isolates
}

// own says whether n is the tenant column of the table itself, cast or not.
func (j judge) own(n *catalog.Node) bool {
	n = uncast(n)
	return n != nil && n.Kind == catalog.NodeColumn && n.Relation == j.r.QName() && n.Column == j.col && j.col != ""
}

// settingOf returns the setting that a current_setting call reads, "" for any other
// node.
func settingOf(n *catalog.Node) string {
	if n.Kind == catalog.NodeFunction && n.Name == "pg_catalog.current_setting" && len(n.Args) > 0 {
		if a := uncast(n.Args[0]); a != nil && a.Kind == catalog.NodeConst {
			return a.Value
		}
	}
	return ""
}

func uncast(n *catalog.Node) *catalog.Node {
	for n != nil && n.Kind == catalog.NodeCast && len(n.Args) == 1 {
		n = n.Args[0]
	}
	return n
}

// conjuncts returns the parts of a chain of ANDs.
func conjuncts(n *catalog.Node) []*catalog.Node {
	if n == nil {
		return nil
	}
	if n.Kind != catalog.NodeAnd {
		return []*catalog.Node{n}
	}
	var out []*catalog.Node
	for _, a := range n.Args {
		out = append(out, conjuncts(a)...)
	}
	return out
}

// simple says whether an expression is one equality of the tenant column with the
// model's setting, in whatever spelling.
func (j judge) simple(n *catalog.Node) bool {
	if n == nil || n.Kind != catalog.NodeOperator || n.Name != "=" || len(n.Args) != 2 || !j.own(n.Args[0]) {
		return false
	}
	return j.plainSetting(unwrap(n.Args[1]))
}

// plainSetting says whether n is the model's setting, cast or made NULL when empty.
func (j judge) plainSetting(n *catalog.Node) bool {
	n = uncast(n)
	if n != nil && n.Kind == catalog.NodeNullIf && len(n.Args) == 2 {
		n = uncast(n.Args[0])
	}
	return n != nil && strings.EqualFold(settingOf(n), j.f.m.Setting)
}

// unwrap takes the sub-select off that makes a value an InitPlan.
func unwrap(n *catalog.Node) *catalog.Node {
	n = uncast(n)
	if n != nil && n.Kind == catalog.NodeSubquery && n.Query != nil && n.Query.Simple && len(n.Query.Select) == 1 {
		return n.Query.Select[0]
	}
	return n
}

// otherValue returns the text of what a plain equality compares the tenant column
// with, "" when that is the model's setting itself or the expression is no equality.
func (j judge) otherValue(e *catalog.Expr) string {
	n := e.Root
	if n == nil || n.Kind != catalog.NodeOperator || n.Name != "=" || len(n.Args) != 2 || n.Args[0].Kind != catalog.NodeColumn || !j.own(n.Args[0]) {
		return ""
	}
	value := unwrap(n.Args[1])
	if j.plainSetting(value) || contains(value, ofKind(catalog.NodeColumn)) {
		return ""
	}
	return sideText(e.Text)
}

// sideText returns the right-hand side of "(column = value)" as PostgreSQL prints it,
// without the sub-select around it.
func sideText(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "(") && strings.HasSuffix(text, ")") {
		text = text[1 : len(text)-1]
	}
	_, value, ok := strings.Cut(text, " = ")
	if !ok {
		return ""
	}
	value = strings.TrimSpace(value)
	inner, found := strings.CutPrefix(value, "(")
	inner = strings.TrimSpace(inner)
	if !found || !strings.HasPrefix(inner, "SELECT ") {
		return value
	}
	value = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(inner, "SELECT "), ")"))
	// "SELECT x AS name": the name is PostgreSQL's.
	if at := strings.LastIndex(value, " AS "); at > 0 && !strings.ContainsAny(value[at+4:], ")'") {
		value = value[:at]
	}
	return value
}

// literal says whether the row's tenant is compared with a constant.
func (j judge) literal(n *catalog.Node) bool {
	return n.Kind == catalog.NodeOperator && n.Name == "=" && slices.ContainsFunc(n.Args, j.own) &&
		slices.ContainsFunc(n.Args, func(a *catalog.Node) bool { a = uncast(a); return a != nil && a.Kind == catalog.NodeConst })
}
