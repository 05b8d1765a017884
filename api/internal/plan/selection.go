package plan

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
)

// selection is a rendered select list.
type selection struct {
	outputs []output
	joins   []string // LEFT JOIN LATERAL of spread embeds
	groups  []string // GROUP BY, when there are aggregates
	grouped bool
}

// output is one column of the list.
type output struct {
	name string
	expr expression
	kind OutputKind
	// aggregate is applied by the level that the column is spread into.
	aggregate, aggregateCast string
	// column is what the level above calls it, where another has its name already.
	column string
}

func (o *output) within() string { return cmp.Or(o.column, o.name) }

// distinct gives the columns that the level above reads a name each: a * at two levels
// shows the same names twice.
func (s *selection) distinct() {
	seen := map[string]bool{}
	for i := range s.outputs {
		o := &s.outputs[i]
		if seen[o.name] {
			o.column = "moat_" + strconv.Itoa(i)
		}
		seen[o.name] = true
	}
}

// comparable is an expression that can be grouped by, as JSON cannot.
func (s *selection) comparable(e expression) expression {
	if s.grouped && e.base == "json" {
		e.sql, e.base = "CAST("+e.sql+" AS jsonb)", "jsonb"
	}
	return e
}

// list is the SQL of the select list. PostgreSQL allows an empty one.
func (s *selection) list() string {
	return list.Join(s.outputs, ", ", func(o output) string { return o.expr.sql + " AS " + schema.Quote(o.within()) })
}

func (s *selection) laterals() string { return strings.Join(s.joins, "") }

func (s *selection) grouping() string {
	if !s.grouped || len(s.groups) == 0 {
		return ""
	}
	return " GROUP BY " + strings.Join(s.groups, ", ")
}

// selection renders the items of one level. hoist leaves aggregates to the level
// above, which a to-one embed is spread into.
func (w *writer) selection(s source, r *query.Read, hoist bool) (*selection, error) {
	sel := &selection{}
	counted(s.table, r.Items)
	sel.grouped = !hoist && aggregated(r.Items, func(t *query.Target) bool { return w.hoists(s, t) })
	if sel.grouped && !w.options.Aggregates && !onlyCounted(r.Items) {
		return nil, problem.New(http.StatusBadRequest, "PGRST123", "Use of aggregate functions is not allowed")
	}
	for i := range r.Items {
		if err := w.item(sel, s, &r.Items[i], hoist); err != nil {
			return nil, cmp.Or(w.unrelated(s, r), err)
		}
	}
	return sel, nil
}

// unrelated is the error for an embed that there is no way to. It says more than that of a
// column beside it.
func (w *writer) unrelated(s source, r *query.Read) error {
	for i := range r.Items {
		if t := r.Items[i].Target; t != nil {
			if _, err := w.relationship(s, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// counted reads a bare "count", where the table has no such column, as the number of
// rows: clients have written leads(count) since before there were aggregates.
func counted(t *schema.Table, items []query.Item) {
	for i := range items {
		item := &items[i]
		if item.Kind == query.Column && item.Field.Name == "count" && len(item.Field.Path) == 0 && item.Aggregate == "" &&
			t.Column("count") == nil && t.Computed["count"] == nil {
			item.Kind, item.AggregateCast = query.Count, item.Cast
		}
	}
}

// onlyCounted reports whether the bare count is the only aggregate; it is allowed
// where the others are not.
func onlyCounted(items []query.Item) bool {
	return !slices.ContainsFunc(items, func(item query.Item) bool {
		return item.Aggregate != "" || (item.Kind == query.Count && item.Field.Name == "") ||
			(item.Target != nil && item.Target.Spread)
	})
}

// aggregated reports whether a level has an aggregate of its own, or one spread into
// it.
func aggregated(items []query.Item, hoists func(*query.Target) bool) bool {
	for i := range items {
		item := &items[i]
		if item.Kind == query.Count || item.Aggregate != "" {
			return true
		}
		if t := item.Target; t != nil && t.Spread && hoists(t) &&
			aggregated(t.Read.Items, func(inner *query.Target) bool { return inner.Spread }) {
			return true
		}
	}
	return false
}

// hoists reports whether a spread embed is to-one, so that its columns are the
// parent's.
func (w *writer) hoists(s source, t *query.Target) bool {
	r, err := w.relationship(s, t)
	return err == nil && r.ToOne()
}

func (w *writer) item(sel *selection, s source, item *query.Item, hoist bool) error {
	switch item.Kind {
	case query.Star:
		return w.star(sel, s)
	case query.Count:
		return w.count(sel, s, item, hoist)
	case query.Embed:
		if item.Target.Spread {
			return w.spread(sel, s, item.Target)
		}
		return w.embed(sel, s, item.Target)
	}
	return w.plain(sel, s, item, hoist)
}

func (w *writer) star(sel *selection, s source) error {
	before := len(sel.outputs)
	for _, c := range s.table.Columns {
		if c.Select {
			e := w.shown(expression{sql: s.column(c.Name), base: c.Base, scalar: c.Scalar}, c)
			sel.add(output{name: c.Name, expr: sel.comparable(e)})
		}
	}
	if len(sel.outputs) == before && len(s.table.Columns) > 0 {
		return Denied(s.table)
	}
	return nil
}

// add appends a column and, since it is not an aggregate, groups by it.
func (s *selection) add(o output) {
	s.outputs = append(s.outputs, o)
	if s.grouped && o.aggregate == "" {
		s.groups = append(s.groups, o.expr.sql)
	}
}

func (w *writer) plain(sel *selection, s source, item *query.Item, hoist bool) error {
	e, err := w.field(s, item.Field)
	if err != nil {
		return err
	}
	if c := s.table.Column(item.Field.Name); c != nil && len(item.Field.Path) == 0 && item.Aggregate == "" {
		e = sel.comparable(w.shown(e, c))
	}
	if e, err = w.cast(e, s.table, item.Cast); err != nil {
		return err
	}
	o := output{name: outputName(item), expr: e}
	if item.Aggregate == "" {
		sel.add(o)
		return nil
	}
	o.aggregate, o.aggregateCast = item.Aggregate, item.AggregateCast
	if hoist {
		sel.outputs = append(sel.outputs, o)
		return nil
	}
	o.expr, err = w.aggregate(e, s.table, item.Aggregate, item.AggregateCast)
	sel.outputs = append(sel.outputs, o)
	return err
}

// aggregate applies one of the five functions, by their names in pg_catalog.
func (w *writer) aggregate(e expression, t *schema.Table, name, cast string) (expression, error) {
	out := expression{sql: "pg_catalog." + name + "(" + e.sql + ")", base: e.base, scalar: e.scalar}
	if name != "min" && name != "max" {
		out.base, out.scalar = "numeric", true
	}
	return w.cast(out, t, cast)
}

func (w *writer) count(sel *selection, s source, item *query.Item, hoist bool) error {
	if hoist {
		sel.outputs = append(sel.outputs,
			output{name: outputName(item), expr: expression{sql: "1", base: "integer", scalar: true},
				aggregate: "count", aggregateCast: item.AggregateCast})
		return nil
	}
	e, err := w.cast(expression{sql: "pg_catalog.count(*)", base: "bigint", scalar: true}, s.table, item.AggregateCast)
	sel.outputs = append(sel.outputs, output{name: outputName(item), expr: e})
	return err
}

func (w *writer) embed(sel *selection, s source, t *query.Target) error {
	if t.Empty() {
		return w.reaches(s, t) // selected for its filters only
	}
	sql, err := w.embedded(s, t)
	if err != nil {
		return err
	}
	if sel.grouped {
		w.groupByValue(sel, t, sql)
		return nil
	}
	sel.outputs = append(sel.outputs, output{name: t.Label(), expr: expression{sql: sql, base: "json", scalar: true}})
	return nil
}

// reaches checks that there is a way to an embed that shows nothing, and to those in it.
func (w *writer) reaches(s source, t *query.Target) error {
	r, err := w.relationship(s, t)
	if err != nil {
		return err
	}
	for i := range t.Read.Items {
		if err := w.reaches(source{table: r.Target}, t.Read.Items[i].Target); err != nil {
			return err
		}
	}
	return nil
}

// groupByValue lets an embed stand next to aggregates: rows whose embeds show the same
// are one group, as they are with a column.
func (w *writer) groupByValue(sel *selection, t *query.Target, sql string) {
	alias := w.alias()
	value := alias + "." + schema.Quote(t.Label())
	sel.joins = append(sel.joins,
		" LEFT JOIN LATERAL (SELECT CAST("+sql+" AS jsonb) AS "+schema.Quote(t.Label())+") AS "+alias+" ON true")
	sel.add(output{name: t.Label(), expr: expression{sql: value, base: "jsonb", scalar: true}})
	remember(&w.values, t, value)
}

// spread puts the columns of an embed next to those of its parent: the values of a
// to-one, and one array a column for a to-many.
func (w *writer) spread(sel *selection, s source, t *query.Target) error {
	r, err := w.relationship(s, t)
	if err != nil {
		return err
	}
	forget := w.mark()
	alias := w.alias()
	f := w.join(s, r)
	inner, err := w.selection(f.source, &t.Read, r.ToOne())
	if err != nil {
		return err
	}
	tail, err := w.tail(f, &t.Read, inner, r.ToOne())
	if err != nil {
		return err
	}
	if len(inner.outputs) == 0 {
		forget() // nothing of it is shown
		return nil
	}
	inner.distinct()
	sql := "SELECT " + inner.list() + " FROM " + f.sql + inner.laterals() + tail
	if !r.ToOne() {
		return w.spreadMany(sel, inner, sql, alias)
	}
	sel.joins = append(sel.joins, " LEFT JOIN LATERAL ("+sql+") AS "+alias+" ON true")
	remember(&w.spreads, t, alias)
	for _, o := range inner.outputs {
		if err := w.lift(sel, s, o, alias); err != nil {
			return err
		}
	}
	return nil
}

// lift makes a column of a to-one embed a column of its parent.
func (w *writer) lift(sel *selection, s source, o output, alias string) error {
	o.expr.sql, o.column = alias+"."+schema.Quote(o.within()), ""
	if o.aggregate == "" {
		o.expr = sel.comparable(o.expr)
		sel.add(o)
		return nil
	}
	if !sel.grouped {
		sel.outputs = append(sel.outputs, o) // the next level up computes it
		return nil
	}
	e, err := w.aggregate(o.expr, s.table, o.aggregate, o.aggregateCast)
	sel.outputs = append(sel.outputs, output{name: o.name, expr: e})
	return err
}

func (w *writer) spreadMany(sel *selection, inner *selection, sql, alias string) error {
	rows := w.alias()
	lists := make([]string, len(inner.outputs))
	for i, o := range inner.outputs {
		name := schema.Quote(o.within())
		lists[i] = "coalesce(json_agg(" + rows + "." + name + "), '[]'::json) AS " + name
		sel.add(output{name: o.name, expr: sel.comparable(expression{sql: alias + "." + name, base: "json", scalar: true})})
	}
	sel.joins = append(sel.joins,
		" LEFT JOIN LATERAL (SELECT "+strings.Join(lists, ", ")+" FROM ("+sql+") AS "+rows+") AS "+alias+" ON true")
	return nil
}
