package plan

import (
	"strings"

	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
)

// returning completes a write with what is wanted back. Columns alone come from
// RETURNING; embeds, order and aggregates read the changed rows as a table.
func (w *writer) returning(sql string, target source, r *query.Request, in Write) (*Statement, error) {
	switch {
	case in.Returning == "representation" && !target.table.Select:
		return nil, Denied(target.table)
	case in.Returning == "representation" && w.options.Media == nil && plainItems(r, target.table) &&
		len(r.Root.Order) == 0:
		return w.returnPlain(sql, target, r, in)
	case in.Returning == "representation":
		return w.returnRows(sql, target, r, in)
	}
	var outputs []output
	if in.Returning == "headers-only" {
		for _, name := range target.table.Locator() {
			if c := target.table.Column(name); c.Select {
				outputs = append(outputs, output{name: name, kind: Key, expr: expression{sql: target.column(name)}})
			}
		}
	}
	outputs = append(outputs, w.inserted(target, r, in)...)
	if len(outputs) == 0 && target.table.Spread && strings.HasPrefix(sql, "INSERT") {
		// Else Citus copies the rows to their servers by COPY, which row-level security refuses.
		outputs = []output{{name: "moat_written", kind: Inserted, expr: expression{sql: "false"}}}
	}
	return w.finish(sql, &selection{outputs: outputs}), nil
}

func (w *writer) finish(sql string, sel *selection) *Statement {
	if len(sel.outputs) > 0 {
		sql += " RETURNING " + sel.list()
	}
	st := w.statement(sql)
	st.Outputs = sel.names()
	return st
}

// inserted tells an upsert's new rows from the changed ones: a statement sees its table as it was
// before. The column xmax tells it too, but fails in a partitioned table, and a table may have been
// partitioned since it was read. Shards take no subquery, and such tables there are told nothing of.
func (w *writer) inserted(target source, r *query.Request, in Write) []output {
	t := target.table
	if in.Resolution != "merge-duplicates" || !t.Select || t.View || t.Spread && t.Partitioned {
		return nil
	}
	sql := "(" + target.alias + ".xmax = 0)"
	if !t.Spread {
		if sql = w.wasMissing(target, r); sql == "" {
			return nil
		}
	}
	return []output{{name: "moat_inserted", kind: Inserted, expr: expression{sql: sql}}}
}

// wasMissing is whether no row had a row's key; empty where the role may not look.
func (w *writer) wasMissing(target source, r *query.Request) string {
	key, err := conflictKey(target.table, r)
	if err != nil {
		return ""
	}
	before := source{table: target.table, alias: w.alias()}
	same := w.tenantCondition(before)
	for _, name := range key {
		if c := target.table.Column(name); c == nil || !c.Select {
			return ""
		}
		same = append(same, before.column(name)+" = "+target.column(name))
	}
	return "NOT EXISTS (SELECT FROM " + target.table.SQL() + " AS " + before.alias + where(same) + ")"
}

// plainItems reports whether the select list names columns and nothing more.
func plainItems(r *query.Request, t *schema.Table) bool {
	for i := range r.Root.Items {
		item := &r.Root.Items[i]
		if item.Kind == query.Count || item.Kind == query.Embed || item.Aggregate != "" {
			return false
		}
		if item.Kind == query.Column && t.Computed[item.Field.Name] != nil && t.Column(item.Field.Name) == nil {
			return false
		}
	}
	return true
}

func (w *writer) returnPlain(sql string, target source, r *query.Request, in Write) (*Statement, error) {
	sel, err := w.selection(target, &r.Root, false)
	if err != nil {
		return nil, err
	}
	sel.outputs = append(sel.outputs, w.inserted(target, r, in)...)
	w.fill(sel)
	w.outer(sel)
	return w.finish(sql, sel), nil
}

// returnRows puts the write into a WITH and selects from its rows.
func (w *writer) returnRows(sql string, target source, r *query.Request, in Write) (*Statement, error) {
	if err := w.handles(target.table, r); err != nil {
		return nil, err
	}
	returned := w.columnsOf(target, r)
	changed := source{table: target.table, alias: w.alias(), rows: true}
	sel, err := w.selection(changed, &r.Root, false)
	if err != nil {
		return nil, err
	}
	if !sel.grouped && w.options.Media == nil {
		for _, o := range w.inserted(target, r, in) {
			returned = append(returned, o.expr.sql+" AS "+o.name)
			o.expr.sql = changed.alias + "." + o.name
			sel.outputs = append(sel.outputs, o)
		}
	}
	w.fill(sel)
	order, err := w.order(changed, &r.Root)
	if err != nil {
		return nil, err
	}
	if order != "" {
		order = " ORDER BY " + order
	}
	st := w.statement("WITH changed AS (" + sql + " RETURNING " + strings.Join(returned, ", ") + ") " +
		w.handled("SELECT "+w.outer(sel)+" FROM changed AS "+changed.alias+sel.laterals()+sel.grouping()+order))
	w.describe(st, sel)
	return st, nil
}

// columnsOf are the columns that the rows of a write must have: all that may be read,
// and the computed ones that the request names.
func (w *writer) columnsOf(target source, r *query.Request) []string {
	out := list.Pick(target.table.Columns, func(c *schema.Column) (string, bool) {
		return target.column(c.Name), c.Select
	})
	for name, f := range target.table.Computed {
		if target.table.Column(name) == nil && names(r, name) {
			out = append(out, f.SQL()+"("+target.alias+") AS "+schema.Quote(name))
		}
	}
	return out
}

func names(r *query.Request, name string) bool {
	for i := range r.Root.Items {
		if r.Root.Items[i].Kind == query.Column && r.Root.Items[i].Field.Name == name {
			return true
		}
	}
	for i := range r.Root.Order {
		if r.Root.Order[i].Field.Name == name {
			return true
		}
	}
	return false
}
