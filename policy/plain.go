package policy

import (
	"strings"

	"github.com/moat-db/moat/catalog"
)

// Plain reports whether an expression is one equality of the table's tenant column with
// the model's setting, in whatever spelling.
func (v *View) Plain(e *catalog.Expr, t *catalog.Relation) bool {
	value := v.compared(e, t)
	return value != nil && strings.EqualFold(Setting(value), v.Model.Setting)
}

// OtherValue returns the text of what a plain equality compares the tenant column with,
// "" when that is the model's setting itself, depends on the row, or the expression is
// no such equality.
func (v *View) OtherValue(e *catalog.Expr, t *catalog.Relation) string {
	value := v.compared(e, t)
	if value == nil || e.Root.Args[0].Kind != catalog.NodeColumn || value.Has(catalog.NodeColumn) ||
		strings.EqualFold(Setting(value), v.Model.Setting) {
		return ""
	}
	return rightSide(e.Text)
}

// compared is what an expression of the form "tenant column = value" compares with,
// without the subquery around it; nil for any other.
func (v *View) compared(e *catalog.Expr, t *catalog.Relation) *catalog.Node {
	if e == nil || e.Root == nil {
		return nil
	}
	n, a := e.Root, v.analyst(t, v.TenantColumn(t), &Judgement{})
	if n.Kind != catalog.NodeOperator || n.Name != "=" || len(n.Args) != 2 || !a.isOwn(n.Args[0]) {
		return nil
	}
	if c := t.Column(a.column); c == nil || n.Args[0] != bare(n.Args[0]) && v.Loose(c) != "" {
		return nil // the cast is what makes it exact
	}
	return unwrapped(n.Args[1])
}

// unwrapped takes casts off, and the subquery that makes a value an InitPlan.
func unwrapped(n *catalog.Node) *catalog.Node {
	n = bare(n)
	if n.Kind == catalog.NodeSubquery && n.Query.Simple {
		return n.Query.Select[0]
	}
	return n
}

// Setting returns the setting that a node reads, cast, made NULL when empty or in a
// subquery of its own; "" for any other node.
func Setting(n *catalog.Node) string {
	n = bare(unwrapped(n))
	if n.Kind == catalog.NodeNullIf {
		n = bare(n.Args[0])
	}
	if n.Kind != catalog.NodeFunction || n.Name != "pg_catalog.current_setting" || len(n.Args) == 0 {
		return ""
	}
	if name := bare(n.Args[0]); name.Kind == catalog.NodeConst {
		return name.Value
	}
	return ""
}

// Comparison is column = setting.
type Comparison struct{ Column, Setting string }

// Comparisons returns the columns that an expression compares with settings, wherever
// in it that stands.
func Comparisons(e *catalog.Expr) []Comparison {
	var all []Comparison
	for n := range e.Root.All() {
		if n.Kind != catalog.NodeOperator || n.Name != "=" || len(n.Args) != 2 {
			continue
		}
		for i, arg := range n.Args {
			if column := bare(arg); column.Kind == catalog.NodeColumn && Setting(n.Args[1-i]) != "" {
				all = append(all, Comparison{column.Column, strings.ToLower(Setting(n.Args[1-i]))})
			}
		}
	}
	return all
}

// rightSide returns the right-hand side of "(column = value)" as PostgreSQL prints it,
// without the subquery around it.
func rightSide(text string) string {
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
