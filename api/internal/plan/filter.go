package plan

import (
	"net/http"
	"slices"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// operators are the binary operators by their name in a URL.
var operators = map[query.Op]string{
	"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=",
	"like": "LIKE", "ilike": "ILIKE", "match": "~", "imatch": "~*",
	"cs": "@>", "cd": "<@", "ov": "&&", "sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-",
	"isdistinct": "IS DISTINCT FROM",
}

// textQueries are the functions behind the full text search operators.
var textQueries = map[query.Op]string{
	"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery",
}

var isValues = map[string]string{
	"null": "IS NULL", "not_null": "IS NOT NULL", "true": "IS TRUE", "false": "IS FALSE", "unknown": "IS UNKNOWN",
}

// conditions renders the filters of one level. items are that level's, for filters
// that ask whether an embed is empty.
func (w *writer) conditions(s source, r *query.Read) ([]string, error) {
	var out []string
	for i := range r.Where {
		sql, err := w.condition(s, r, &r.Where[i])
		if err != nil {
			return nil, err
		}
		out = append(out, sql)
	}
	return out, nil
}

func (w *writer) condition(s source, r *query.Read, c *query.Cond) (string, error) {
	sql, err := w.positive(s, r, c)
	if err == nil && c.Not {
		sql = "NOT (" + sql + ")"
	}
	return sql, err
}

func (w *writer) positive(s source, r *query.Read, c *query.Cond) (string, error) {
	if c.Logic == "" {
		return w.filter(s, r, &c.Filter)
	}
	parts := make([]string, len(c.Children))
	for i := range c.Children {
		sql, err := w.condition(s, r, &c.Children[i])
		if err != nil {
			return "", err
		}
		parts[i] = sql
	}
	return "(" + strings.Join(parts, " "+strings.ToUpper(c.Logic)+" ") + ")", nil
}

func (w *writer) filter(s source, r *query.Read, f *query.Filter) (string, error) {
	if f.Op == query.OpIs && len(f.Field.Path) == 0 {
		if target := embedCalled(r, f.Field.Name); target != nil && (f.Value == "null" || f.Value == "not_null") {
			exists, err := w.exists(s, target)
			if f.Value == "null" {
				exists = "NOT " + exists
			}
			return exists, err
		}
	}
	e, err := w.field(s, f.Field)
	if err != nil && embedCalled(r, f.Field.Name) != nil {
		err = problem.New(http.StatusBadRequest, "PGRST120", "Bad operator on the '%s' embedded resource", f.Field.Name).
			WithDetails("Only is null or not is null filters are allowed on embedded resources")
	}
	if err != nil {
		return "", err
	}
	switch {
	case f.Op == query.OpIs:
		return e.sql + " " + isValues[f.Value], nil
	case f.Op == query.OpIn:
		list := w.arg(arrayLiteral(f.Values))
		if e.fromText != "" {
			list = "ARRAY(SELECT " + w.given(e, "v") + " FROM unnest(" + list + "::text[]) AS v)"
		}
		return e.sql + " = ANY (" + list + ")", nil
	case f.Op.TextSearch():
		return w.textSearch(e, f), nil
	}
	return w.compare(e, f)
}

func (w *writer) compare(e expression, f *query.Filter) (string, error) {
	value := f.Value
	if f.Op == query.OpLike || f.Op == query.OpILike {
		value = strings.ReplaceAll(value, "*", "%")
	}
	at := w.arg(value)
	if f.Quantifier == "" && f.Op.Compares() {
		at = w.given(e, at)
	}
	if f.Quantifier != "" {
		if !strings.HasPrefix(value, "{") {
			return "", problem.Parse("filter", f.Value, "the values of any and all are a list in braces, as {a,b}")
		}
		at = strings.ToUpper(f.Quantifier) + " (" + at + ")"
	}
	return e.sql + " " + operators[f.Op] + " " + at, nil
}

// textSearch compares with a text search query; anything but a tsvector is made one.
func (w *writer) textSearch(e expression, f *query.Filter) string {
	configuration := ""
	if f.Language != "" {
		configuration = w.key(f.Language, "::regconfig") + ", "
	}
	if e.base != "tsvector" {
		e.sql = "to_tsvector(" + configuration + e.sql + ")"
	}
	return e.sql + " @@ " + textQueries[f.Op] + "(" + configuration + w.arg(f.Value) + "::text)"
}

// arrayLiteral writes values as one array parameter, so that a list of any length is
// the same statement.
func arrayLiteral(values []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for j := range len(v) {
			if v[j] == '"' || v[j] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(v[j])
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// embedCalled returns the embed of a level by alias or name, or nil.
func embedCalled(r *query.Read, name string) *query.Target {
	for i := range r.Items {
		if t := r.Items[i].Target; t != nil && t.Label() == name {
			return t
		}
	}
	return nil
}

// order renders ORDER BY, without the words, and "" for none.
func (w *writer) order(s source, r *query.Read) (string, error) {
	terms := make([]string, 0, len(r.Order))
	for i := range r.Order {
		t := &r.Order[i]
		sql, err := w.orderTerm(s, r, t)
		if err != nil {
			return "", err
		}
		terms = append(terms, sql+direction(t))
	}
	return strings.Join(terms, ", "), nil
}

func direction(t *query.Term) string {
	sql := ""
	if t.Desc {
		sql = " DESC"
	}
	switch t.Nulls {
	case "first":
		sql += " NULLS FIRST"
	case "last":
		sql += " NULLS LAST"
	}
	return sql
}

func (w *writer) orderTerm(s source, r *query.Read, t *query.Term) (string, error) {
	if t.Related == "" {
		e, err := w.field(s, t.Field)
		return e.sql, err
	}
	target := embedCalled(r, t.Related)
	if target == nil {
		return "", problem.New(http.StatusBadRequest, "PGRST108",
			"'%s' is not an embedded resource in this request", t.Related).
			WithHint("Verify that '%s' is included in the 'select' query parameter.", t.Related)
	}
	rel, err := w.relationship(s, target)
	if err != nil {
		return "", err
	}
	if !rel.ToOne() {
		return "", problem.New(http.StatusBadRequest, "PGRST118", "A related order on '%s' is not possible", t.Related).
			WithDetails("'%s' and '%s' do not form a many-to-one or one-to-one relationship", s.table.Name.Name, t.Related)
	}
	sql, err := w.groupColumn(rel, target, t.Field)
	if err != nil || sql != "" {
		return sql, err
	}
	return w.relatedColumn(s, rel, target, t.Field)
}

// groupColumn is a column that a spread embed selects, or a member of an embed that is
// grouped by: both may stand next to aggregates, where a subquery could not. It is ""
// for other embeds and columns.
func (w *writer) groupColumn(r *schema.Relationship, t *query.Target, field query.Field) (string, error) {
	alias, spread := w.spreads[t]
	value, grouped := w.values[t]
	if !spread && !grouped {
		return "", nil
	}
	for i := range t.Read.Items {
		item := &t.Read.Items[i]
		aliased := spread && item.Alias == field.Name && len(field.Path) == 0 && item.Aggregate == ""
		if item.Kind != query.Column || !aliased && (item.Cast != "" || item.Aggregate != "" ||
			item.Field.Name != field.Name || !slices.Equal(item.Field.Path, field.Path)) {
			continue
		}
		if spread {
			return alias + "." + schema.Quote(outputName(item)), nil
		}
		e, err := w.column(source{table: r.Target, alias: alias}, field.Name)
		arrow := "->" // numbers as numbers
		if e.base == "text" || len(field.Path) > 0 {
			arrow = "->>"
		}
		return "(" + value + arrow + w.key(outputName(item), "::text") + ")", err
	}
	return "", nil
}
