package portal

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// kind is how a column is shown and asked for.
type kind string

const (
	kindText     kind = "text"
	kindInteger  kind = "integer"
	kindNumber   kind = "number"
	kindBool     kind = "boolean"
	kindDate     kind = "date"
	kindTime     kind = "time"     // time of day
	kindMoment   kind = "moment"   // timestamptz
	kindLocal    kind = "local"    // timestamp without time zone
	kindUUID     kind = "uuid"     //
	kindJSON     kind = "json"     //
	kindBytes    kind = "bytes"    // size only
	kindOther    kind = "other"    // PostgreSQL's text form
	kindInterval kind = "interval" //
)

// column is one column of a table.
type column struct {
	Name, Title, Comment string
	Type                 string
	kind                 kind
	Required             bool // NOT NULL without a default
	NotNull              bool
	Default              string
	Options              []string
	Min, Max             string
	MinExclusive         bool
	MaxExclusive         bool
	MaxLen               int
	NotBlank             bool
	Ref                  *table
	MaySet, MayChange    bool // on insert, on update
}

// SQL is the quoted name.
func (c *column) SQL() string { return pgx.Identifier{c.Name}.Sanitize() }

// Kind is the kind, for templates.
func (c *column) Kind() string { return string(c.kind) }

// Numeric says whether values are aligned to the right.
func (c *column) Numeric() bool { return c.kind == kindNumber || c.kind == kindInteger && c.Ref == nil }

// Long says whether the column holds prose.
func (c *column) Long() bool {
	if c.kind == kindJSON {
		return true
	}
	if c.kind != kindText || c.MaxLen > 0 && c.MaxLen <= 200 {
		return false
	}
	for _, word := range []string{"note", "body", "description", "comment", "message", "content", "text", "summary",
		"bio", "address"} {
		if strings.Contains(c.Name, word) {
			return true
		}
	}
	return false
}

// columns adds the columns the role may read; the tenant column is everywhere the
// same and is left out.
func (b *builder) columns(t *table, r *catalog.Relation) {
	for i := range r.Columns {
		c := &r.Columns[i]
		if c.Name == t.Tenant || !b.MayColumn(r, c, "SELECT") {
			continue
		}
		t.Columns = append(t.Columns, b.column(r, c))
	}
	t.key(r.PrimaryKey())
	t.constraints = map[string][]string{}
	for _, k := range r.Constraints {
		t.constraints[k.Name] = k.Columns
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
		var names []string
		for _, key := range x.Keys {
			names = append(names, key.Column)
		}
		t.constraints[x.Name] = names
	}
}

// key takes the primary key, unless a column of it may not be read.
func (t *table) key(names []string) {
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

func (b *builder) column(r *catalog.Relation, c *catalog.Column) *column {
	out := &column{Name: c.Name, Title: humanizeColumn(c.Name), Comment: c.Comment, Type: c.Type, NotNull: c.NotNull,
		Required: c.NotNull && c.Default == "" && c.Identity == "", Default: constant(c.Default)}
	out.kind = kindOf(c.TypeName)
	out.MaxLen = lengthOf(c.Type)
	b.userType(out, c.TypeName)
	out.MaySet, out.MayChange = b.MayColumn(r, c, "INSERT"), b.MayColumn(r, c, "UPDATE")
	return out
}

// userType takes an enum's labels and what a domain adds to its base type.
func (b *builder) userType(c *column, name catalog.QName) {
	for range 8 { // a domain over a domain, and no endless chain
		named := func(t catalog.Type) bool { return t.Schema == name.Schema && t.Name == name.Name }
		i := slices.IndexFunc(b.Snapshot.Types, named)
		if i < 0 {
			return
		}
		t := b.Snapshot.Types[i]
		if t.Kind == "enum" {
			c.kind, c.Options = kindText, t.Labels
		}
		if t.Kind != "domain" {
			return
		}
		for _, check := range t.Checks {
			c.check(check)
		}
		if t.NotNull {
			c.NotNull, c.Required = true, c.Required || c.Default == "" && t.Default == ""
		}
		if n := lengthOf(t.Base); n > 0 {
			c.MaxLen = n
		}
		bare, _, _ := strings.Cut(t.Base, "(")
		c.kind = kindByName(bare)
		if schema, rest, ok := strings.Cut(bare, "."); ok {
			name = catalog.QName{Schema: unquote(schema), Name: unquote(rest)}
			continue
		}
		name.Name = unquote(bare)
	}
}

// may says whether rows can be added, and changed in at least one column, by a role
// that may insert something or not.
func (t *table) may(insert bool) (add, change bool) {
	add = insert && !t.Shared
	for _, c := range t.Columns {
		if c.Required && !c.MaySet {
			add = false
		}
		change = change || c.MayChange
	}
	return add, change && !t.Shared && len(t.Key) > 0
}

func kindOf(name catalog.QName) kind {
	if name.Schema != "pg_catalog" && name.Name != "citext" {
		return kindOther
	}
	return kindByName(name.Name)
}

func kindByName(name string) kind {
	switch name {
	case "text", "varchar", "bpchar", "citext", "name", "char", "character varying", "character":
		return kindText
	case "int2", "int4", "int8", "smallint", "integer", "bigint":
		return kindInteger
	case "numeric", "float4", "float8", "real", "double precision":
		return kindNumber
	case "bool", "boolean":
		return kindBool
	case "date":
		return kindDate
	case "time", "time without time zone":
		return kindTime
	case "timestamptz", "timestamp with time zone":
		return kindMoment
	case "timestamp", "timestamp without time zone":
		return kindLocal
	case "uuid":
		return kindUUID
	case "json", "jsonb":
		return kindJSON
	case "bytea":
		return kindBytes
	case "interval":
		return kindInterval
	}
	return kindOther
}
