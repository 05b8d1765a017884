package plan

import (
	"net/http"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/sqltext"
)

// expression is SQL with what is known of its type.
type expression struct {
	sql string
	// base is the type, as far as it is known.
	base   string
	scalar bool
	// fromText is the function that reads a value for it from a URL; "" for none.
	fromText string
	// notNull holds for a column that cannot be null.
	notNull bool
}

// field resolves a column, a computed column, or a path into one.
func (w *writer) field(s source, f query.Field) (expression, error) {
	e, err := w.column(s, f.Name)
	if err != nil || len(f.Path) == 0 {
		return e, err
	}
	if e.base != "json" && e.base != "jsonb" {
		e.sql = "to_jsonb(" + e.sql + ")"
	}
	var b strings.Builder
	b.WriteString(e.sql)
	for _, step := range f.Path {
		arrow, cast := "->", "::text"
		if step.Text {
			arrow = "->>"
		}
		if step.Index {
			cast = "::int"
		}
		b.WriteString(arrow + w.step(step, cast))
	}
	base := "jsonb"
	if f.Path[len(f.Path)-1].Text {
		base = "text"
	}
	return expression{sql: "(" + b.String() + ")", base: base, scalar: true}, nil
}

// step is a key as a parameter, unless an index has it in its expression: those keys are few,
// and known from the catalog.
func (w *writer) step(s query.Step, cast string) string {
	if !s.Index && w.schema.IndexedKeys[s.Key] {
		return " " + sqltext.Literal(s.Key) + cast
	}
	return w.key(s.Key, cast)
}

func (w *writer) column(s source, name string) (expression, error) {
	if c := s.table.Column(name); c != nil && c.Select {
		return expression{sql: s.column(name), base: c.Base, scalar: c.Scalar, notNull: c.NotNull,
			fromText: c.Shown.FromText}, nil
	}
	if f := s.table.Computed[name]; f != nil {
		w.calls = true
		e := expression{sql: f.SQL() + "(" + s.alias + ")", base: f.Result, scalar: f.Scalar}
		if s.rows {
			e.sql = s.column(name)
		}
		return e, nil
	}
	return expression{}, unknownColumn(s.table, name)
}

// shown is a column as clients see it: as its domain says, where that says something.
func (w *writer) shown(e expression, c *schema.Column) expression {
	if c.Shown.JSON == "" {
		return e
	}
	w.calls = true
	return expression{sql: c.Shown.JSON + "(" + e.sql + ")", base: "json", scalar: true}
}

// given is a value of the URL for a column: as its domain reads it, where that says how.
func (w *writer) given(e expression, value string) string {
	if e.fromText == "" {
		return value
	}
	w.calls = true
	return e.fromText + "(" + value + "::text)"
}

// cast applies a cast that the client wrote.
func (w *writer) cast(e expression, t *schema.Table, name string) (expression, error) {
	if name == "" {
		return e, nil
	}
	sql := w.schema.Cast(t.Schema, name)
	if sql == "" {
		return e, problem.New(http.StatusBadRequest, "42704", "type \"%s\" does not exist", name)
	}
	scalar := schema.Scalar(sql) || strings.HasPrefix(sql, `"`) && !strings.HasSuffix(sql, "]")
	return expression{sql: "CAST(" + e.sql + " AS " + sql + ")", base: sql, scalar: scalar}, nil
}

// outputName is the name under which an item appears: its alias, its last JSON key,
// its aggregate or its column.
func outputName(i *query.Item) string {
	switch {
	case i.Alias != "":
		return i.Alias
	case i.Kind == query.Count:
		return "count"
	case i.Aggregate != "":
		return i.Aggregate
	}
	for n := len(i.Field.Path) - 1; n >= 0; n-- {
		if !i.Field.Path[n].Index {
			return i.Field.Path[n].Key
		}
	}
	return i.Field.Name
}
