package serving

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Tenants is the table that lists the tenants, as far as serving needs it.
type Tenants struct {
	*catalog.Relation
	// Key is the column that holds the tenant.
	Key string
	// Label is the column with a tenant's name for people; "" where there is none.
	Label string
	// Suspension says who is locked out; nil where no column does.
	Suspension *Suspension
	// Checked says that the role may read the key: where it may not, nobody is asked and
	// the verified token alone decides.
	Checked bool
}

// suspensions are the columns that suspend a tenant by their names, most significant first.
var suspensions = []string{"suspended", "suspended_at", "disabled_at", "deleted_at", "status"}

// labels are the columns that name a tenant for people.
var labels = []string{"name", "title", "display_name", "company", "slug"}

// Tenants finds the table and its columns; nil where the model has none. A suspended
// column that is asked for must be there and be readable: without it no tenant would
// ever be suspended.
func (x *Exposure) Tenants(suspended string) (*Tenants, error) {
	r := x.Relation(x.Model.Tenants)
	if r == nil || r.Column(x.Model.Key) == nil {
		if suspended != "" {
			return nil, fmt.Errorf("suspended column %s: there is no tenants table", suspended)
		}
		return nil, nil
	}
	t := &Tenants{Relation: r, Key: x.Model.Key, Checked: x.readable(r, x.Model.Key)}
	for i := range r.Columns {
		if t.Label == "" && slices.Contains(labels, r.Columns[i].Name) && x.holds(&r.Columns[i]) == words {
			t.Label = r.Columns[i].Name
		}
	}
	candidates := suspensions
	if suspended != "" {
		candidates = []string{suspended}
	}
	for _, name := range candidates {
		if t.Suspension == nil && t.Checked && x.readable(r, name) {
			t.Suspension = &Suspension{name, x.holds(r.Column(name))}
		}
	}
	if suspended != "" && t.Suspension == nil {
		const missing = "suspended column %s: %s has no such column, or the application role may not read it"
		return nil, fmt.Errorf(missing, suspended, r.QName())
	}
	return t, nil
}

// readable reports whether the role may read a column, which may be missing.
func (x *Exposure) readable(r *catalog.Relation, column string) bool {
	c := r.Column(column)
	return c != nil && x.Uses(r.Schema) && x.granted(r, c, "SELECT")
}

// holding is what a column holds, as far as suspending goes.
type holding int

const (
	presence holding = iota // a time, or anything else: suspended when there is a value
	truth
	words
)

// holds follows a column's domains to what they are over.
func (x *Exposure) holds(c *catalog.Column) holding {
	base := x.BaseType(c.Type)
	enum := func(t catalog.Type) bool {
		name := catalog.QName{Schema: t.Schema, Name: t.Name}
		return t.Kind == "enum" && (base == name.SQL() || base == name.String() || base == t.Name)
	}
	name, _, _ := strings.Cut(base, "(")
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "boolean":
		return truth
	case "text", "character varying", "character", "bpchar", "citext", "name", `"char"`:
		return words
	}
	if slices.ContainsFunc(x.Snapshot.Types, enum) {
		return words
	}
	return presence
}

// Suspension is the column that suspends a tenant: when it is true, when it says one of
// a few words, or when it has a value at all.
type Suspension struct {
	Column string
	holds  holding
}

// SQL is the condition that is true of a suspended tenant; false where s is nil.
func (s *Suspension) SQL() string {
	if s == nil {
		return "false"
	}
	name := sqltext.Ident(s.Column)
	switch s.holds {
	case truth:
		return name + " is true"
	case words:
		return "coalesce(lower(" + name + "::text) in ('suspended', 'disabled', 'deleted'), false)"
	}
	return name + " is not null"
}

// Set returns the SQL of the value that suspends a tenant, or lets it in again; ok is
// false for a word, since none surely means a tenant that is active.
func (s *Suspension) Set(suspended bool) (value string, ok bool) {
	switch {
	case s == nil || s.holds == words:
		return "", false
	case s.holds == truth:
		return fmt.Sprint(suspended), true
	case suspended:
		return "now()", true
	}
	return "null", true
}
