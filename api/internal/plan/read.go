package plan

import (
	"slices"
	"strconv"

	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
)

// Read makes the statement of a GET on a table.
func Read(s *schema.Schema, t *schema.Table, r *query.Request, o Options) (*Statement, error) {
	w := newWriter(s, o)
	if err := w.reach(t); err != nil {
		return nil, err
	}
	if !t.Select {
		return nil, Denied(t)
	}
	top := source{table: t, alias: w.alias()}
	return w.readFrom(top, t.SQL()+" AS "+top.alias, r, func(w *writer) (source, string) {
		again := source{table: t, alias: w.alias()}
		return again, t.SQL() + " AS " + again.alias
	})
}

// readFrom reads from anything that has the rows of a table. again opens it in
// another statement, for counting.
func (w *writer) readFrom(top source, sql string, r *query.Request,
	again func(*writer) (source, string)) (*Statement, error) {
	if err := w.handles(top.table, r); err != nil {
		return nil, err
	}
	sel, err := w.selection(top, &r.Root, false)
	if err != nil {
		return nil, err
	}
	w.extras(sel, top)
	keys, err := w.keyset(sel, top, r)
	if err != nil {
		return nil, err
	}
	w.fill(sel)
	conditions, err := w.allConditions(top, &r.Root)
	if err != nil {
		return nil, err
	}
	conditions = append(w.tenantCondition(top), conditions...)
	after, err := w.after(keys, r)
	if err != nil {
		return nil, err
	}
	order, err := w.fullOrder(top, r, keys)
	if err != nil {
		return nil, err
	}
	st := w.statement(w.handled("SELECT " + w.outer(sel) + " FROM " + sql + sel.laterals() +
		where(append(conditions, after...)) + sel.grouping() + order + w.page(&r.Root)))
	w.describe(st, sel)
	st.Offset, st.Limit = r.Root.Offset, w.limit(&r.Root)
	st.Cursor = cursorOf(keys, r)
	return st, w.counting(st, r, again)
}

// extras adds the hash of the row where it was asked for and can be had.
func (w *writer) extras(sel *selection, s source) {
	if !w.options.ETag || sel.grouped || s.rows || !wholeRow(s.table) {
		return
	}
	sel.outputs = append(sel.outputs,
		output{name: "moat_etag", kind: ETag, expr: expression{sql: rowHash(s), base: "text", scalar: true}})
}

// wholeRow reports whether every column may be read: a hash over others would tell
// something about them.
func wholeRow(t *schema.Table) bool {
	if len(t.Columns) == 0 {
		return false
	}
	return !slices.ContainsFunc(t.Columns, func(c *schema.Column) bool { return !c.Select })
}

// rowHash is what an ETag is made of: it changes with any value of the row.
func rowHash(s source) string {
	return "substr(encode(sha256(convert_to(CAST(" + s.alias + ".* AS text), 'UTF8')), 'hex'), 1, 32)"
}

// outer is the select list of the whole statement, whose values become JSON outside
// the database: what has no plain text form goes through to_json.
func (w *writer) outer(sel *selection) string {
	for i := range sel.outputs {
		o := &sel.outputs[i]
		if o.kind != Visible {
			continue
		}
		switch {
		case w.options.Text:
		case !o.expr.scalar:
			o.expr.sql = "to_json(" + o.expr.sql + ")"
			if w.options.Stripped {
				o.expr.sql = "json_strip_nulls(" + o.expr.sql + ")"
			}
		case w.options.Stripped && (o.expr.base == "json" || o.expr.base == "jsonb"):
			o.expr.sql = "json_strip_nulls(CAST(" + o.expr.sql + " AS json))"
		}
	}
	return sel.list()
}

// fill makes sure that a row of nothing, from an empty select, is still a row where the server
// writes the answer.
func (w *writer) fill(sel *selection) {
	if len(sel.outputs) == 0 && w.options.Media == nil {
		sel.outputs = append(sel.outputs, output{name: "moat_row", kind: Filler, expr: expression{sql: "1"}})
	}
}

func (s *selection) names() []Output {
	return list.Map(s.outputs, func(o output) Output { return Output{o.name, o.kind} })
}

// limit is the page's, bounded by MaxRows; -1 for none.
func (w *writer) limit(r *query.Read) int64 {
	limit := int64(-1)
	if r.Limit != nil {
		limit = *r.Limit
	}
	if m := w.options.MaxRows; m > 0 && (limit < 0 || limit > m) {
		limit = m
	}
	return limit
}

// page renders LIMIT as a number, so that the planner knows it, and OFFSET as a
// parameter, so that every page is the same statement.
func (w *writer) page(r *query.Read) string {
	sql := ""
	if limit := w.limit(r); limit >= 0 {
		sql = " LIMIT " + strconv.FormatInt(limit, 10)
	}
	if r.Offset > 0 {
		sql += " OFFSET " + w.arg(strconv.FormatInt(r.Offset, 10)) + "::bigint"
	}
	return sql
}

// countedAtMost is where a count that need not be exact stops.
const countedAtMost = 10_000

// counting adds the statements that count without paging.
func (w *writer) counting(st *Statement, r *query.Request, again func(*writer) (source, string)) error {
	switch w.options.Count {
	case "exact":
		var err error
		st.Count, err = w.countStatement(r, again, "")
		return err
	case "planned", "estimated":
		// The planner's estimate would be one of all tenants' rows: with a few hundred
		// filters it spells out their values.
		st.CountLimit = max(w.options.MaxRows, countedAtMost)
		var err error
		st.Count, err = w.countStatement(r, again, " LIMIT "+strconv.FormatInt(st.CountLimit+1, 10))
		return err
	}
	return nil
}

func (w *writer) countStatement(r *query.Request, again func(*writer) (source, string),
	limit string) (*Statement, error) {
	c := newWriter(w.schema, w.options)
	top, from := again(c)
	sel, err := c.selection(top, &r.Root, false)
	if err != nil {
		return nil, err
	}
	list, joins := "1", ""
	if sel.grouped {
		list, joins = sel.list(), sel.laterals()
	} else {
		// Only the conditions matter; start over so that no parameter is left over.
		c = newWriter(w.schema, w.options)
		top, from = again(c)
	}
	conditions, err := c.allConditions(top, &r.Root)
	if err != nil {
		return nil, err
	}
	inner := "SELECT " + list + " FROM " + from + joins + where(append(c.tenantCondition(top), conditions...)) +
		sel.grouping()
	if !sel.grouped && limit == "" {
		return c.statement("SELECT pg_catalog.count(*)" + inner[len("SELECT 1"):]), nil
	}
	return c.statement("SELECT pg_catalog.count(*) FROM (" + inner + limit + ") AS counted"), nil
}
