package schema

import (
	"github.com/moat-db/moat/catalog"
)

// standIn is a table, or a view over it, with its own names for some of the table's
// columns; "" for a tenant column that it does not show.
type standIn struct {
	table   *Table
	columns []string
}

// standIns are the exposed table itself and the exposed views that show the columns.
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
		if shown := b.shows(&b.views[i], r, columns); shown != nil {
			out = append(out, standIn{b.views[i].table, shown})
		}
	}
	return out
}

// view is an exposed view with its names for the columns of tables.
type view struct {
	table   *Table
	columns map[catalog.ColumnRef]string
}

// findViews lists the exposed views, with the columns that they show as they are, also
// through other views.
func (b *builder) findViews() {
	for _, schema := range b.schema.Schemas {
		for _, name := range b.schema.TableNames(schema) {
			t := b.schema.Table(schema, name)
			if !t.View {
				continue
			}
			v := view{t, map[catalog.ColumnRef]string{}}
			r := b.Relation(t.Name)
			for i := range r.Columns {
				table, column := b.Origin(r, &r.Columns[i])
				if table == nil {
					continue
				}
				origin := catalog.ColumnRef{Relation: table.QName(), Column: column.Name}
				if v.columns[origin] == "" {
					v.columns[origin] = r.Columns[i].Name
				}
			}
			b.views = append(b.views, v)
		}
	}
}

// shows returns the names under which a view shows columns of r, or nil when it lacks
// one that is not the tenant column.
func (b *builder) shows(v *view, r *catalog.Relation, columns []string) []string {
	tenant := ""
	if m := b.Table(r.QName()); m != nil && m.Class == catalog.TenantTable {
		tenant = m.Column
	}
	shown, one := make([]string, len(columns)), false
	for i, name := range columns {
		shown[i] = v.columns[catalog.ColumnRef{Relation: r.QName(), Column: name}]
		one = one || shown[i] != ""
		if shown[i] == "" && name == tenant {
			shown[i] = v.table.TenantColumn // that of another table that the view reads holds the same
		} else if shown[i] == "" {
			return nil
		}
	}
	if !one {
		return nil
	}
	return shown
}
