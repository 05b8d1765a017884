package schema

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/text"
)

// Kind is how a column is shown and asked for.
type Kind string

// The kinds of columns.
const (
	KindText     Kind = "text"
	KindInteger  Kind = "integer"
	KindNumber   Kind = "number"
	KindBool     Kind = "boolean"
	KindDate     Kind = "date"
	KindTime     Kind = "time"   // time of day
	KindMoment   Kind = "moment" // timestamptz
	KindLocal    Kind = "local"  // timestamp without time zone
	KindUUID     Kind = "uuid"
	KindJSON     Kind = "json"
	KindBytes    Kind = "bytes" // size only
	KindInterval Kind = "interval"
	KindOther    Kind = "other" // PostgreSQL's text form
)

// Column is one column of a table.
type Column struct {
	Name, Title, Comment string
	Type                 string
	Kind                 Kind
	Required             bool // NOT NULL without a default
	NotNull              bool
	Default              string
	Options              []string
	Min, Max             string
	MinExclusive         bool
	MaxExclusive         bool
	MaxLen               int
	NotBlank             bool
	Ref                  *Table
	Money                *Money // nil for what is no money
	MaySet, MayChange    bool   // on insert, on update
	Named                bool   // its title was chosen
	place                int
}

// SQL is the quoted name.
func (c *Column) SQL() string { return sqltext.Ident(c.Name) }

// Numeric says whether values are aligned to the right.
func (c *Column) Numeric() bool { return c.Kind == KindNumber || c.Kind == KindInteger && c.Ref == nil }

// Sortable says whether values have an order that means something.
func (c *Column) Sortable() bool {
	return c.Kind != KindJSON && c.Kind != KindBytes && c.Kind != KindOther
}

// columns adds the columns the role may read; the tenant column is everywhere the
// same and is left out.
func (b *builder) columns(t *Table, r *catalog.Relation) {
	for c := range catalog.Each(r.Columns) {
		if c.Name == t.Tenant {
			continue
		}
		one := b.column(r, c)
		if one == nil {
			t.lacks = t.lacks || c.NotNull && c.Default == "" && c.Identity == "" && c.Generated == ""
			continue
		}
		t.Columns = append(t.Columns, one)
	}
	slices.SortStableFunc(t.Columns, func(a, b *Column) int { return cmp.Compare(a.place, b.place) })
	t.key(r.PrimaryKey())
	t.Settings = t.Tenant != "" && slices.Equal(r.PrimaryKey(), []string{t.Tenant})
	t.Constraints = map[string][]string{}
	for _, k := range r.Constraints {
		t.Constraints[k.Name] = k.Columns
		if k.Type != catalog.Check || len(k.Columns) != 1 {
			continue
		}
		if c := t.Column(k.Columns[0]); c != nil {
			c.check(k.Definition)
		}
	}
	for _, x := range r.Indexes {
		if !x.Unique {
			continue
		}
		names := list.Map(x.Keys, func(key catalog.IndexKey) string { return key.Column })
		t.Constraints[x.Name] = names
	}
}

// key takes the primary key, unless a column of it may not be read.
func (t *Table) key(names []string) {
	for _, name := range names {
		if name == t.Tenant {
			continue
		}
		c := t.Column(name)
		if c == nil {
			t.Key = nil
			return
		}
		t.Key = append(t.Key, c)
	}
}

// column is nil for one that is not shown.
func (b *builder) column(r *catalog.Relation, c *catalog.Column) *Column {
	help, said := comment(c.Comment)
	look := b.shown[r.QName()].Columns[c.Name].over(said)
	if look.Hidden || !b.MayColumn(r, c, "SELECT") {
		return nil
	}
	out := &Column{
		Name: c.Name, Title: cmp.Or(look.Name, text.Column(c.Name)), Comment: help, Named: look.Name != "",
		place: look.place(),
		Type:  c.Type, Kind: kindOf(c.TypeName), MaxLen: lengthOf(c.Type),
		NotNull: c.NotNull, Required: c.NotNull && c.Default == "" && c.Identity == "", Default: constant(c.Default),
		MaySet: b.MayColumn(r, c, "INSERT"), MayChange: b.MayColumn(r, c, "UPDATE"),
	}
	b.userType(out, c.TypeName)
	if secret(c.Name, out.Kind) {
		return nil
	}
	if look.ReadOnly {
		out.MaySet, out.MayChange = false, false
	}
	return out
}

// userType takes an enum's labels and what a domain adds to its base type.
func (b *builder) userType(c *Column, name catalog.QName) {
	for range 8 { // a domain over a domain, and no endless chain
		t := b.types[name]
		switch {
		case t == nil:
			return
		case t.Kind == "enum":
			c.Kind, c.Options = KindText, t.Labels
			return
		case t.Kind != "domain":
			return
		}
		c.domain(t)
		bare, _, _ := strings.Cut(t.Base, "(")
		c.Kind = kindByName(bare)
		if schema, rest, ok := strings.Cut(bare, "."); ok {
			name, bare = catalog.QName{Schema: unquote(schema)}, rest
		}
		name.Name = unquote(bare)
	}
}

// domain takes what a domain asks of its values.
func (c *Column) domain(t *catalog.Type) {
	for _, check := range t.Checks {
		c.check(check)
	}
	if t.NotNull {
		c.NotNull, c.Required = true, c.Required || c.Default == "" && t.Default == ""
	}
	if n := lengthOf(t.Base); n > 0 {
		c.MaxLen = n
	}
}

func unquote(name string) string {
	if len(name) > 1 && name[0] == '"' {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}

// may says whether rows can be added, and changed in at least one column, by a role
// that may insert something or not.
func (t *Table) may(insert bool) (add, change bool) {
	add = insert && !t.Shared && !t.lacks
	for _, c := range t.Columns {
		if c.Required && !c.MaySet {
			add = false
		}
		change = change || c.MayChange
	}
	return add, change && !t.Shared && (len(t.Key) > 0 || t.Settings)
}

func kindOf(name catalog.QName) Kind {
	if name.Schema != "pg_catalog" && name.Name != "citext" {
		return KindOther
	}
	return kindByName(name.Name)
}

func kindByName(name string) Kind {
	for kind, names := range map[Kind][]string{
		KindText:    {"text", "varchar", "bpchar", "citext", "name", "char", "character varying", "character"},
		KindInteger: {"int2", "int4", "int8", "smallint", "integer", "bigint"},
		KindNumber:  {"numeric", "float4", "float8", "real", "double precision"},
		KindBool:    {"bool", "boolean"}, KindDate: {"date"}, KindTime: {"time", "time without time zone"},
		KindMoment: {"timestamptz", "timestamp with time zone"},
		KindLocal:  {"timestamp", "timestamp without time zone"},
		KindUUID:   {"uuid"}, KindJSON: {"json", "jsonb"}, KindBytes: {"bytea"}, KindInterval: {"interval"},
	} {
		if slices.Contains(names, name) {
			return kind
		}
	}
	return KindOther
}
