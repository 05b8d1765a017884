package database

import (
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// The package writes its statements as text, literals included: what a script
// shows must be what was run. Every name goes through ident or table, every value
// through lit; standard_conforming_strings is on for each session.

func table(q catalog.QName) string { return q.SQL() }

// lit quotes a value as an untyped literal, which takes the type of its place.
func lit(value string) string {
	if value == null {
		return "NULL"
	}
	return sqltext.Literal(value)
}

// row is a row as text values by column; [null] is NULL.
type row map[string]string

// values lists the literals of the columns.
func (r row) values(columns []string) string {
	return list.Join(columns, ", ", func(c string) string { return lit(r[c]) })
}

// with returns a copy with the given columns changed.
func (r row) with(changes row) row {
	out := make(row, len(r))
	maps.Copy(out, r)
	maps.Copy(out, changes)
	return out
}

// only keeps the named columns, and except all others.
func (r row) only(columns []string) row {
	out := r.with(nil)
	maps.DeleteFunc(out, func(name, _ string) bool { return !slices.Contains(columns, name) })
	return out
}

func (r row) except(columns []string) row {
	out := r.with(nil)
	maps.DeleteFunc(out, func(name, _ string) bool { return slices.Contains(columns, name) })
	return out
}

// assignments are the row's columns as UPDATE sets them.
func (r row) assignments() string {
	return list.Join(slices.Sorted(maps.Keys(r)), ", ", func(c string) string {
		return sqltext.Ident(c) + " = " + lit(r[c])
	})
}

// matches is the condition that picks the row by the columns.
func (r row) matches(alias string, columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = alias + sqltext.Ident(c) + " = " + lit(r[c])
		if r[c] == null {
			out[i] = alias + sqltext.Ident(c) + " IS NULL"
		}
	}
	return strings.Join(out, " AND ")
}

// qualified lists columns behind the name of their table.
func qualified(table string, columns []string) string {
	return list.Join(columns, ", ", func(c string) string { return table + "." + sqltext.Ident(c) })
}
