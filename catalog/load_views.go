package catalog

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// viewColumns notes for the columns of views which column they show. The server keeps
// it with each entry of a query's target list, and nothing for an expression, nor for
// what comes out of a UNION.
func (l *loader) viewColumns(rows pgx.Rows) error {
	type row struct {
		Relation OID
		Tree     string
	}
	return each(rows, func(r *row) {
		if view := l.relation(r.Relation); view != nil {
			l.origins(view, r.Tree)
		}
	})
}

func (l *loader) origins(view *Relation, tree string) {
	query, err := parseNodeText(strings.TrimSuffix(strings.TrimPrefix(tree, "("), ")"))
	if err != nil {
		return // a form of a later server: nothing is known of its columns
	}
	for _, entry := range query.nodes("targetList") {
		table, column := entry.oid("resorigtbl"), int16(entry.number("resorigcol"))
		name := l.columnNames[table][column]
		if entry.flag("resjunk") || name == "" {
			continue
		}
		for i := range view.Columns {
			if int(view.Columns[i].Num) == entry.number("resno") {
				view.Columns[i].Origin = &ColumnRef{l.relationName(table), name}
			}
		}
	}
}
