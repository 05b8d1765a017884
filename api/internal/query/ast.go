// Package query reads PostgREST's URL language into plain values.
//
// It is pure: it knows no schema, does no I/O and builds no SQL. What it returns is a
// tree of names and values as the client wrote them; package plan looks every name up
// in the schema and turns every value into a bound parameter. Input is bounded by
// [Limits], and the parser never panics (FuzzParse).
//
// The language is described at https://docs.postgrest.org/en/v13/references/api.html;
// docs/reference/postgrest-compatibility.md lists what is different here.
package query

import (
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// Field is a column, or a path into a JSON column: data->a->0->>b.
type Field struct {
	Name string
	Path []Step
}

// Step is one arrow of a JSON path.
type Step struct {
	Key   string
	Index bool // Key is a number: an index into an array
	Text  bool // ->> instead of ->
}

// Read is what is wanted of one relation: the table of the request, or an embedded
// one.
type Read struct {
	// Items are the selected things. Star is an item of its own; no items at all
	// select nothing, as in "clients!inner()".
	Items  []Item
	Where  []Cond // ANDed
	Order  []Term
	Limit  *int64
	Offset int64
}

// ItemKind says what an Item is.
type ItemKind int

// The kinds of item in a select list.
const (
	Star ItemKind = iota
	Column
	Count // count() of rows
	Embed
)

// Item is one entry of a select list.
type Item struct {
	Kind  ItemKind
	Field Field
	Alias string
	// Cast is the type after ::, as written.
	Cast string
	// Aggregate is sum, avg, min, max or count; AggregateCast the type it is cast to.
	Aggregate     string
	AggregateCast string
	// Embed items.
	Target *Target
}

// Target is an embedded relation.
type Target struct {
	Name   string
	Alias  string
	Hint   string
	Inner  bool
	Spread bool
	Read   Read
}

// Label is the name under which a filter or an order reaches the target.
func (t *Target) Label() string {
	if t.Alias != "" {
		return t.Alias
	}
	return t.Name
}

// Empty reports whether nothing of the target is shown, nor of what is embedded in it.
func (t *Target) Empty() bool {
	for i := range t.Read.Items {
		if inner := t.Read.Items[i].Target; inner == nil || !inner.Empty() {
			return false
		}
	}
	return true
}

// Cond is a filter, or an and/or of conditions.
type Cond struct {
	Not bool
	// Logic is "and", "or", or empty for a filter.
	Logic    string
	Children []Cond
	Filter   Filter
}

// Filter compares a field with a value.
type Filter struct {
	Field Field
	Op    Op
	// Quantifier is "", "any" or "all".
	Quantifier string
	// Language is the text search configuration of the fts operators.
	Language string
	Value    string
	Values   []string // of in
}

// Term is one entry of an order.
type Term struct {
	Field Field
	// Related names a to-one embed whose column is meant: order=clients(name).
	Related string
	Desc    bool
	Nulls   string // "", "first", "last"
}

// Request is a parsed query string.
type Request struct {
	Root Read
	// Selected is true when the client sent select.
	Selected bool
	// Columns are those of columns=; nil when it was not sent.
	Columns []string
	// OnConflict are those of on_conflict=.
	OnConflict []string
	// After is the cursor of keyset paging; nil when it was not sent, and empty for
	// the first page.
	After *string
	// Arguments are the parameters that [Options].Argument claimed, in order.
	Arguments []Argument
	// Renamed are the embeds that a path names by their table although they have an alias.
	Renamed []Renamed
}

// Renamed is an embed's table and its alias.
type Renamed struct{ Name, Alias string }

// Warning is PostgREST's of what it will not understand in a later version; "" for none.
func (r *Request) Warning() string {
	if len(r.Renamed) == 0 {
		return ""
	}
	names := list.Map(r.Renamed, func(n Renamed) string { return "`" + n.Name + "` to `" + n.Alias + "`" })
	return "Embedded resource was referenced by relation name even though it has an alias. This is deprecated and " +
		"will stop working in a future release. Update " + strings.Join(names, ", ") +
		" in query string filters, orders or limits."
}

// Argument is a parameter of a function call.
type Argument struct{ Name, Value string }
