package schema

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// standIn is a table, or a view over it, with its own names for some of the table's
// columns; "" for a tenant column that it does not show.
type standIn struct {
	table   *Table
	columns []string
}

// standIns are the exposed table itself and the exposed views that show the columns: a view
// that shows one of them twice stands in twice.
func (b *builder) standIns(r *catalog.Relation, columns []string) []standIn {
	if r == nil {
		return nil
	}
	var out []standIn
	if t := b.schema.Tables[r.QName()]; t != nil {
		out = append(out, standIn{t, columns})
	}
	for i := range b.views {
		if b.views[i].table.Name == r.QName() {
			continue
		}
		for _, shown := range b.shows(&b.views[i], r, columns) {
			out = append(out, standIn{b.views[i].table, shown})
		}
	}
	return out
}

// view is an exposed view with its names for the columns of tables, and those tables.
type view struct {
	table   *Table
	columns map[catalog.ColumnRef][]string
	tables  []*catalog.Relation
}

// findViews lists the exposed views, with the columns that they show as they are, also
// through other views.
func (b *builder) findViews() {
	for _, schema := range b.schema.Schemas {
		for _, name := range b.schema.TableNames(schema) {
			if t := b.schema.Table(schema, name); t.View {
				v := b.view(t)
				b.locate(&v)
				b.views = append(b.views, v)
			}
		}
	}
}

func (b *builder) view(t *Table) view {
	v := view{t, map[catalog.ColumnRef][]string{}, nil}
	r := b.Relation(t.Name)
	for i := range r.Columns {
		table, column := b.Origin(r, &r.Columns[i])
		if table == nil {
			continue
		}
		origin := catalog.ColumnRef{Relation: table.QName(), Column: column.Name}
		v.columns[origin] = append(v.columns[origin], r.Columns[i].Name)
		if !slices.Contains(v.tables, table) {
			v.tables = append(v.tables, table)
		}
	}
	return v
}

// locate finds the columns by which a view's rows are named: the keys of the tables that it
// shows. Of a view over several tables they need not tell two rows apart.
func (b *builder) locate(v *view) {
	if v.table.locator = v.table.FullKey; v.table.FullKey != nil {
		return
	}
	for _, r := range v.tables {
		ways := b.shows(v, r, r.PrimaryKey())
		if len(ways) == 0 {
			continue
		}
		for _, name := range ways[0] {
			if name != "" && !slices.Contains(v.table.locator, name) {
				v.table.locator = append(v.table.locator, name)
			}
		}
	}
	if v.table.hides(v.table.locator) {
		v.table.locator = nil
	}
}

// shows returns the names under which a view shows columns of r, in each way that it does;
// none when it lacks one that is not the tenant column.
func (b *builder) shows(v *view, r *catalog.Relation, columns []string) [][]string {
	tenant := ""
	if m := b.Table(r.QName()); m != nil && m.Class == catalog.TenantTable {
		tenant = m.Column
	}
	ways, one := [][]string{nil}, false
	for _, column := range columns {
		names := v.columns[catalog.ColumnRef{Relation: r.QName(), Column: column}]
		one = one || len(names) > 0
		switch {
		case column == tenant && len(names) > 0:
			names = names[:1] // all are the same
		case column == tenant:
			names = []string{v.table.TenantColumn} // that of another table that the view reads holds the same
		}
		ways = each(ways, names)
	}
	if !one {
		return nil
	}
	return ways
}

// each continues every way by each of the names.
func each(ways [][]string, names []string) (out [][]string) {
	for _, way := range ways {
		out = append(out, list.Map(names, func(name string) []string { return append(slices.Clone(way), name) })...)
	}
	return out
}
