package serving

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/policy"
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
		if x.Relation(standing.State()) != nil {
			return nil, fmt.Errorf("%s suspends tenants: there is no tenants table that says which there are", standing.State())
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
			t.Suspension = &Suspension{Column: name, holds: x.holds(r.Column(name))}
		}
	}
	if suspended != "" && t.Suspension == nil {
		const missing = "suspended column %s: %s has no such column, or the application role may not read it"
		return nil, fmt.Errorf(missing, suspended, r.QName())
	}
	return t, x.addState(t)
}

// addState has moat.tenant_state suspend tenants too, where there is such a table. It is an
// error when the role cannot read it: nobody would ever be found in it.
func (x *Exposure) addState(t *Tenants) error {
	state := x.Relation(standing.State())
	if state == nil {
		return nil
	}
	column := x.Model.Column
	if !t.Checked || !x.readable(state, column) || x.Effective(state, x.Role, "SELECT").Denied {
		return fmt.Errorf("%s suspends tenants: the role %s cannot read it, or not the keys of %s", state.QName(), x.Role,
			t.QName())
	}
	if t.Suspension == nil {
		t.Suspension = &Suspension{}
	}
	t.Suspension.key = t.QName().SQL() + "." + sqltext.Ident(t.Key)
	t.Suspension.state = func(tenant string) string {
		return "exists (select from " + state.QName().SQL() + " s where s." + sqltext.Ident(column) + " = " + tenant + ")"
	}
	return nil
}

// Suspend locks a tenant out of everything that serves: by the column, where it says so,
// and else by a row of moat.tenant_state, which must be there.
func (t *Tenants) Suspend(ctx context.Context, o standing.Operator, v *policy.View, tenant, by, reason string) error {
	if value, ok := t.Suspension.Set(true); ok {
		return t.set(ctx, o, v, tenant, value)
	}
	return standing.Suspend(ctx, o, v, tenant, by, reason)
}

// Resume lets a tenant in again. It is an error where the column holds a word that suspends
// it: only the team knows the others.
func (t *Tenants) Resume(ctx context.Context, o standing.Operator, v *policy.View, tenant string) error {
	if err := standing.Resume(ctx, o, v, tenant); err != nil {
		return err
	}
	if value, ok := t.Suspension.Set(false); ok {
		return t.set(ctx, o, v, tenant, value)
	}
	still, err := t.suspended(ctx, o, v, tenant)
	if err == nil && still {
		return &WordError{t.QName(), t.Suspension.Column}
	}
	return err
}

func (t *Tenants) suspended(ctx context.Context, o standing.Operator, v *policy.View,
	tenant string) (is bool, err error) {
	err = o.QueryRow(ctx, "select exists (select from "+t.QName().SQL()+" where "+t.is(v)+" and "+t.Suspension.SQL()+")",
		tenant).Scan(&is)
	return is, err
}

func (t *Tenants) set(ctx context.Context, o standing.Operator, v *policy.View, tenant, value string) error {
	_, err := o.Exec(ctx, "update "+t.QName().SQL()+" set "+sqltext.Ident(t.Suspension.Column)+" = "+value+" where "+
		t.is(v), tenant)
	return err
}

func (t *Tenants) is(v *policy.View) string {
	return sqltext.Ident(t.Key) + " = $1::text::" + v.BaseType(t.Column(t.Key).Type)
}

// WordError says that a column suspends a tenant by a word.
type WordError struct {
	Table  catalog.QName
	Column string
}

func (e *WordError) Error() string {
	return fmt.Sprintf("the column %s of %s suspends the tenant by a word: change it there", e.Column, e.Table)
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

// Suspension is what suspends a tenant: a column, when it is true, when it says one of a few
// words, or when it has a value at all; and a row in moat.tenant_state, where there is one.
type Suspension struct {
	// Column is that of the tenants table; "" for none.
	Column string
	holds  holding
	// state writes the condition that there is such a row of a tenant, like that of the key
	// of the tenants table; nil without the table.
	state func(tenant string) string
	key   string
}

// SQL is the condition that is true of a suspended tenant in a query that reads the tenants
// table without an alias; false where s is nil.
func (s *Suspension) SQL() string {
	switch {
	case s == nil:
		return "false"
	case s.Column == "":
		return s.state(s.key)
	case s.state == nil:
		return s.column()
	}
	return "(" + s.column() + " or " + s.state(s.key) + ")"
}

// apart are the conditions of which one is true of a suspended tenant: of its row in a query
// like SQL's, and of the tenant, as written by param. With the second inside of the first,
// PostgreSQL would make a table of hashes for each request.
func (s *Suspension) apart(param func() string) (ofRow, ofTenant string) {
	ofRow, ofTenant = "false", "false"
	if s != nil && s.Column != "" {
		ofRow = s.column()
	}
	if s != nil && s.state != nil {
		ofTenant = s.state(param())
	}
	return ofRow, ofTenant
}

func (s *Suspension) column() string {
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
	case s == nil || s.Column == "" || s.holds == words:
		return "", false
	case s.holds == truth:
		return fmt.Sprint(suspended), true
	case suspended:
		return "now()", true
	}
	return "null", true
}
