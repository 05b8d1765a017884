package plan

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
)

// Cursor makes the cursor of the next page from the last row of this one.
type Cursor struct{ Order string }

// cursorText is what a cursor holds: the order it is for, and the last row's values.
type cursorText struct {
	Order  string    `json:"o"`
	Values []*string `json:"v"`
}

// Encode returns the cursor after a row with these values of the order's columns.
func (c *Cursor) Encode(values []*string) (string, error) {
	text, err := json.Marshal(cursorText{c.Order, values})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// keyColumn is a column of the order with what comparing it needs.
type keyColumn struct {
	term query.Term
	expr expression
	name string
	// sqlType casts the value of the cursor.
	sqlType string
}

// keyset completes the order to a unique one and adds its columns to the select list.
// It returns nil when after= was not sent.
func (w *writer) keyset(sel *selection, s source, r *query.Request) ([]keyColumn, error) {
	if r.After == nil {
		return nil, nil
	}
	if len(s.table.Identity()) == 0 || sel.grouped || s.rows {
		return nil, problem.New(http.StatusBadRequest, "MOAT120", "after needs a table with a primary key, and no aggregates")
	}
	terms := slices.Clone(r.Root.Order)
	for _, name := range s.table.Identity() {
		if !slices.ContainsFunc(terms, func(t query.Term) bool { return t.Field.Name == name && len(t.Field.Path) == 0 }) {
			desc := len(terms) > 0 && terms[len(terms)-1].Desc // the same direction serves the same index
			terms = append(terms, query.Term{Field: query.Field{Name: name}, Desc: desc})
		}
	}
	keys := make([]keyColumn, 0, len(terms))
	for _, t := range terms {
		k, err := w.keyColumn(s, t)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
		sel.outputs = append(sel.outputs,
			output{name: "moat_key", kind: Key, expr: expression{sql: k.expr.sql, scalar: true}})
	}
	return keys, nil
}

func (w *writer) keyColumn(s source, t query.Term) (keyColumn, error) {
	c := s.table.Column(t.Field.Name)
	if t.Related != "" || len(t.Field.Path) > 0 || c == nil {
		return keyColumn{}, problem.New(http.StatusBadRequest, "MOAT120",
			"after can only follow an order by columns of the table")
	}
	e, err := w.column(s, t.Field.Name)
	if err != nil {
		return keyColumn{}, err
	}
	return keyColumn{term: t, expr: e, name: c.Name, sqlType: c.Type}, nil
}

// orderName describes an order, so that a cursor of another one is refused.
func orderName(keys []keyColumn) string {
	return list.Join(keys, ",", func(k keyColumn) string { return k.name + direction(&k.term) })
}

func cursorOf(keys []keyColumn, r *query.Request) *Cursor {
	if r.After == nil {
		return nil
	}
	return &Cursor{Order: orderName(keys)}
}

// fullOrder is ORDER BY with the key columns, or the order as it was written.
func (w *writer) fullOrder(s source, r *query.Request, keys []keyColumn) (string, error) {
	if keys == nil {
		order, err := w.order(s, &r.Root)
		if err != nil || order == "" {
			return "", err
		}
		return " ORDER BY " + order, nil
	}
	parts := make([]string, len(keys))
	for i := range keys {
		parts[i] = keys[i].expr.sql + direction(&keys[i].term)
	}
	return " ORDER BY " + strings.Join(parts, ", "), nil
}

// after is the condition that the cursor stands for.
func (w *writer) after(keys []keyColumn, r *query.Request) ([]string, error) {
	if keys == nil || *r.After == "" {
		return nil, nil
	}
	values, err := decodeCursor(*r.After, keys)
	if err != nil {
		return nil, err
	}
	if uniform(keys) {
		return []string{w.rowComparison(keys, values)}, nil
	}
	return []string{w.stepwise(keys, values)}, nil
}

func decodeCursor(text string, keys []keyColumn) ([]*string, error) {
	bad := problem.New(http.StatusBadRequest, "MOAT121", "the cursor is not one of this order").
		WithHint("Use the Moat-Next-Cursor header of the page before, with the same order.")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, bad
	}
	var c cursorText
	if json.Unmarshal(raw, &c) != nil || c.Order != orderName(keys) || len(c.Values) != len(keys) {
		return nil, bad
	}
	for i, v := range c.Values {
		if (v == nil && keys[i].expr.notNull) || (v != nil && strings.ContainsRune(*v, 0)) {
			return nil, bad
		}
	}
	return c.Values, nil
}

// uniform reports whether one row comparison says it: one direction, no nulls.
func uniform(keys []keyColumn) bool {
	return !slices.ContainsFunc(keys, func(k keyColumn) bool {
		return !k.expr.notNull || k.term.Desc != keys[0].term.Desc
	})
}

func (w *writer) rowComparison(keys []keyColumn, values []*string) string {
	left, right := make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		left[i] = k.expr.sql
		right[i] = w.keyValue(k, *values[i])
	}
	operator := " > "
	if keys[0].term.Desc {
		operator = " < "
	}
	return "(" + strings.Join(left, ", ") + ")" + operator + "(" + strings.Join(right, ", ") + ")"
}

func (w *writer) keyValue(k keyColumn, value string) string { return w.arg(value) + "::" + k.sqlType }

// stepwise is the general form: past the first column, or equal there and past the
// second, and so on.
func (w *writer) stepwise(keys []keyColumn, values []*string) string {
	var alternatives, equals []string
	for i, k := range keys {
		if past := w.past(k, values[i]); past != "" {
			alternatives = append(alternatives, "("+strings.Join(append(slices.Clone(equals), past), " AND ")+")")
		}
		if i == len(keys)-1 {
			break // nothing comes after the last column, and an unused parameter is an error
		}
		if values[i] == nil {
			equals = append(equals, k.expr.sql+" IS NULL")
		} else {
			equals = append(equals, k.expr.sql+" = "+w.keyValue(k, *values[i]))
		}
	}
	if len(alternatives) == 0 {
		return "false"
	}
	return "(" + strings.Join(alternatives, " OR ") + ")"
}

// past is the condition that a column comes after a value; "" when nothing does.
func (w *writer) past(k keyColumn, value *string) string {
	nullsFirst := k.term.Nulls == "first" || (k.term.Nulls == "" && k.term.Desc)
	if value == nil {
		if nullsFirst {
			return k.expr.sql + " IS NOT NULL"
		}
		return ""
	}
	operator := " > "
	if k.term.Desc {
		operator = " < "
	}
	sql := k.expr.sql + operator + w.keyValue(k, *value)
	if !nullsFirst && !k.expr.notNull {
		sql = "(" + sql + " OR " + k.expr.sql + " IS NULL)"
	}
	return sql
}

// quoteAll quotes names and joins them by commas.
func quoteAll(names []string) string {
	return list.Join(names, ", ", func(n string) string { return schema.Quote(n) })
}
