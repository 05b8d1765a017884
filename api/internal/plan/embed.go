package plan

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// relationship finds the one way from a source to an embed's target.
func (w *writer) relationship(s source, t *query.Target) (*schema.Relationship, error) {
	found := w.schema.Relationships(s.table, t.Name, t.Hint)
	switch len(found) {
	case 1:
		if err := w.reach(found[0].Target); err != nil {
			return nil, err
		}
		if !found[0].Target.Select {
			return nil, Denied(found[0].Target)
		}
		return found[0], beside(s.table, found[0])
	case 0:
		return nil, w.noRelationship(s, t)
	}
	return nil, ambiguous(s, t, found)
}

// beside refuses to join what Citus has spread over its servers with what stayed on one: with
// row-level security on both, that can end the server.
func beside(t *schema.Table, r *schema.Relationship) error {
	tables := []*schema.Table{r.Target}
	if r.Junction != nil {
		tables = append(tables, r.Junction)
	}
	for _, other := range tables {
		if t.Spread && other.Local || t.Local && other.Spread {
			return crosses(fmt.Sprintf("'%s' and '%s' cannot be read together", t.Name.Name, other.Name.Name),
				"One of the tables is distributed by Citus, and the other is not.",
				"Read them by two requests, or distribute the other table too.")
		}
	}
	return nil
}

func crosses(message, details, hint string) error {
	return problem.New(http.StatusBadRequest, "MOAT134", "%s", message).WithDetails("%s", details).WithHint("%s", hint)
}

func (w *writer) noRelationship(s source, t *query.Target) error {
	e := problem.New(http.StatusBadRequest, "PGRST200",
		"Could not find a relationship between '%s' and '%s' in the schema cache", s.table.Name.Name, t.Name)
	using := ""
	if t.Hint != "" {
		using = " using the hint '" + t.Hint + "'"
	}
	e = e.WithDetails("Searched for a foreign key relationship between '%s' and '%s'%s in the schema '%s', but no "+
		"matches were found.",
		s.table.Name.Name, t.Name, using, s.table.Schema)
	if similar := schema.Similar(t.Name, w.schema.TargetNames(s.table), schema.Loose); similar != "" && similar != t.Name {
		e = e.WithHint("Perhaps you meant '%s' instead of '%s'.", similar, t.Name)
	}
	return e
}

// candidate is one way in the details of PGRST201.
type candidate struct {
	Cardinality  string `json:"cardinality"`
	Embedding    string `json:"embedding"`
	Relationship string `json:"relationship"`
}

func ambiguous(s source, t *query.Target, found []*schema.Relationship) error {
	var list []candidate
	var hints []string
	for _, r := range found {
		list = append(list, candidate{string(r.Cardinality), s.table.Name.Name + " with " + r.Target.Name.Name, r.Describe()})
		hint := r.Constraint
		if r.Cardinality == schema.ManyToMany {
			hint = r.Junction.Name.Name
		}
		hints = append(hints, "'"+t.Name+"!"+hint+"'")
	}
	e := problem.New(http.StatusMultipleChoices, "PGRST201",
		"Could not embed because more than one relationship was found for '%s' and '%s'", s.table.Name.Name, t.Name).
		WithHint("Try changing '%s' to one of the following: %s. Find the desired relationship in the 'details' key.",
			t.Name, strings.Join(hints, ", "))
	e.Details = list
	return e
}

// from is the FROM part of an embed with the conditions that tie it to its parent.
type from struct {
	source     source
	sql        string
	conditions []string
}

// join opens the target of a relationship for one row of the parent.
func (w *writer) join(parent source, r *schema.Relationship) from {
	f := from{source: source{table: r.Target, alias: w.alias()}}
	if r.Function != nil {
		w.calls = true
		f.sql = r.Function.SQL() + "(" + parent.alias + ") AS " + f.source.alias
		f.conditions = w.tenantCondition(f.source)
		return f
	}
	f.sql = r.Target.SQL() + " AS " + f.source.alias
	if r.Junction == nil {
		f.conditions = append(equal(f.source, r.TargetColumns, parent, r.Columns), w.tenantCondition(f.source)...)
		return f
	}
	middle := source{table: r.Junction, alias: w.alias()}
	f.sql += ", " + r.Junction.SQL() + " AS " + middle.alias
	f.conditions = append(equal(middle, r.JunctionSource, parent, r.Columns),
		equal(f.source, r.TargetColumns, middle, r.JunctionTarget)...)
	f.conditions = append(f.conditions, w.tenantCondition(middle)...)
	f.conditions = append(f.conditions, w.tenantCondition(f.source)...)
	return f
}

func equal(a source, columns []string, b source, others []string) []string {
	out := make([]string, len(columns))
	for i := range columns {
		out[i] = a.column(columns[i]) + " = " + b.column(others[i])
	}
	return out
}

// within is the SELECT of an embed's rows: items, filters, inner embeds, order, page.
func (w *writer) within(parent source, r *schema.Relationship, t *query.Target) (*selection, string, error) {
	f := w.join(parent, r)
	sel, err := w.selection(f.source, &t.Read, false)
	if err != nil {
		return nil, "", err
	}
	tail, err := w.tail(f, &t.Read, sel, r.ToOne())
	if err != nil {
		return nil, "", err
	}
	return sel, "SELECT " + sel.list() + " FROM " + f.sql + sel.laterals() + tail, nil
}

// tail is what follows FROM: conditions, grouping, order and page.
func (w *writer) tail(f from, r *query.Read, sel *selection, toOne bool) (string, error) {
	conditions, err := w.allConditions(f.source, r)
	if err != nil {
		return "", err
	}
	order, err := w.order(f.source, r)
	if err != nil {
		return "", err
	}
	sql := where(append(f.conditions, conditions...)) + sel.grouping()
	if order != "" {
		sql += " ORDER BY " + order
	}
	if one := int64(1); toOne && (r.Limit == nil || *r.Limit > one) {
		return sql + w.page(&query.Read{Limit: &one, Offset: r.Offset}), nil
	}
	return sql + w.page(r), nil
}

// allConditions are the filters of a level and one EXISTS for each inner embed.
func (w *writer) allConditions(s source, r *query.Read) ([]string, error) {
	conditions, err := w.conditions(s, r)
	if err != nil {
		return nil, err
	}
	for i := range r.Items {
		if t := r.Items[i].Target; t != nil && t.Inner {
			sql, err := w.exists(s, t)
			if err != nil {
				return nil, err
			}
			conditions = append(conditions, sql)
		}
	}
	return conditions, nil
}

// exists says that an embed has a row.
func (w *writer) exists(s source, t *query.Target) (string, error) {
	r, err := w.relationship(s, t)
	if err != nil {
		return "", err
	}
	f := w.join(s, r)
	conditions, err := w.allConditions(f.source, &t.Read)
	if err != nil {
		return "", err
	}
	return "EXISTS (SELECT 1 FROM " + f.sql + where(append(f.conditions, conditions...)) + ")", nil
}

// embedded is the JSON value of an embed, as a scalar subquery: PostgreSQL computes
// it after ORDER BY and LIMIT have chosen the rows, where a join would come before.
func (w *writer) embedded(s source, t *query.Target) (string, error) {
	r, err := w.relationship(s, t)
	if err != nil {
		return "", err
	}
	alias := w.alias()
	_, inner, err := w.within(s, r, t)
	if err != nil {
		return "", err
	}
	value := "coalesce(json_agg(" + alias + "), '[]'::json)"
	if r.ToOne() {
		value = "row_to_json(" + alias + ")"
	}
	if w.options.Stripped {
		value = "json_strip_nulls(" + value + ")"
	}
	return "(SELECT " + value + " FROM (" + inner + ") AS " + alias + ")", nil
}

// relatedColumn is a column of a to-one target, for ORDER BY.
func (w *writer) relatedColumn(s source, r *schema.Relationship, t *query.Target, field query.Field) (string, error) {
	f := w.join(s, r)
	e, err := w.field(f.source, field)
	if err != nil {
		return "", err
	}
	conditions, err := w.conditions(f.source, &t.Read)
	if err != nil {
		return "", err
	}
	return "(SELECT " + e.sql + " FROM " + f.sql + where(append(f.conditions, conditions...)) + " LIMIT 1)", nil
}
