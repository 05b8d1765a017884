// Package plan turns a parsed request into one SQL statement.
//
// It is pure. The guarantee: every identifier in the SQL is the quoted name of an
// object of the schema.Schema, or the quoted name of an output column; every value of
// the request is a bound parameter, except whole numbers that it parsed itself (LIMIT)
// and words from fixed lists (operators, directions). A statement over a tenant table
// carries "tenant_id = $n" for each table it names, in addition to the policies that
// PostgreSQL enforces: it keeps plans and partitions right, and the policies do not
// rely on it.
//
// Limits: a JSON key is a parameter, so an index over an expression such as
// (data->>'key') is not used.
package plan

import (
	"net/http"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/list"
)

// Options say for whom and how a statement is made.
type Options struct {
	// Tenant says that the caller speaks for a tenant; without one they reach shared
	// tables only. A statement does not hold the tenant itself: see Statement.Bind.
	Tenant bool
	// MaxRows bounds every list, embedded ones too; 0 means no bound.
	MaxRows int64
	// Count is "", exact, planned or estimated.
	Count string
	// Text leaves values in PostgreSQL's own text form, for CSV.
	Text bool
	// Stripped leaves null members out of embedded objects.
	Stripped bool
	// Aggregates allows sum(), avg(), min(), max() and count().
	Aggregates bool
	// Media makes the answer of the rows; nil for rows as they are.
	Media *schema.Media
	// ETag adds the hash of the whole row, where every column may be read.
	ETag bool
}

// Statement is SQL with bound parameters. It is the same for every tenant, and may be
// used again and by several callers at once.
type Statement struct {
	SQL string
	// Args are the parameters, for [Statement.Bind].
	Args []any
	// Outputs are the columns of a row, in order.
	Outputs []Output
	// Count counts the rows without paging; nil when it was not asked for. It stops
	// behind CountLimit rows, where that is not 0.
	Count      *Statement
	CountLimit int64
	// Offset and Limit are the page's; Limit is -1 for none.
	Offset, Limit int64
	// Cursor names the order when keyset paging was asked for.
	Cursor *Cursor
	// Scalar results have one column which is the value itself; Single results are
	// one row, not a list.
	Scalar, Single bool
	// Void results have no body.
	Void bool
	// Calls says that functions of the database run for the rows: computed columns and
	// relationships.
	Calls bool
	// Warning is for the client: see [query.Request.Warning].
	Warning string
}

// OutputKind says what an output column is for.
type OutputKind int

// The kinds of output column.
const (
	Visible  OutputKind = iota
	Key                 // a value of the keyset cursor
	ETag                // the hash of the row
	Inserted            // true when an upsert inserted the row
	Filler              // nothing: a row must have a column
	Rows                // how many rows the one value was made of
)

// Output is a column of the result.
type Output struct {
	Name string
	Kind OutputKind
}

// unknownColumn is PostgreSQL's error for a column that is not there, or that the
// caller may not see: the two are the same to him.
func unknownColumn(t *schema.Table, name string) error {
	e := problem.New(http.StatusBadRequest, "42703", "column %s.%s does not exist", t.Name.Name, name)
	names := list.Pick(t.Columns, func(c *schema.Column) (string, bool) { return c.Name, c.Select })
	if similar := schema.Similar(name, names, 0.5); similar != "" {
		e = e.WithHint("Perhaps you meant to reference the column \"%s.%s\".", t.Name.Name, similar)
	}
	return e
}

// Denied is the error for a table that this caller may not use in this way.
func Denied(t *schema.Table) error {
	kind := "table"
	if t.View {
		kind = "view"
	}
	return problem.New(http.StatusForbidden, "42501", "permission denied for %s %s", kind, t.Name.Name)
}

// errNeedsTenant answers a token without a tenant that asks for more than shared
// tables.
func errNeedsTenant(t *schema.Table) error {
	return problem.New(http.StatusForbidden, "MOAT102", "%s belongs to tenants, and the token names none", t.Name.Name)
}
