package schema

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/catalog"
)

// Function is a function that the application role may call.
type Function struct {
	Name
	Comment  string
	Volatile bool
	// Params are the input parameters.
	Params []Param
	// Set is true for SETOF and TABLE results, OneRow for a set declared ROWS 1.
	Set, OneRow bool
	// Void functions return nothing.
	Void bool
	// Table is the exposed table whose row type is the result, or nil.
	Table *Table
	// Composite is true when a result has columns: a table's, Columns, or record.
	Composite bool
	// Columns are the OUT and TABLE columns.
	Columns []*Column
	// Result is the SQL type of a scalar result.
	Result string
	Scalar bool
	// Timeout is the statement_timeout that the function is declared with, "" for none.
	Timeout string
	// Media is the media type that a scalar result is made for, and Bytes says that it is
	// bytea; "" for none.
	Media string
	Bytes bool
	// rowArgument is the table whose row is the only parameter.
	rowArgument *Table
}

// SQL returns the quoted name.
func (f *Function) SQL() string { return Quote(f.Schema, f.Name.Name) }

// Lasts is Timeout as a duration; 0 for none.
func (f *Function) Lasts() time.Duration {
	text := strings.ReplaceAll(f.Timeout, " ", "")
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n * float64(timeUnits[text[len(number):]]))
}

// timeUnits are those of a setting in milliseconds (PostgreSQL 17 manual, 19.1.1).
var timeUnits = map[string]time.Duration{"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

// Param is an input parameter.
type Param struct {
	Name       string
	Type       string
	HasDefault bool
	Variadic   bool
}

// SQL is the type to cast an argument to. PostgreSQL keeps no length of a parameter, and
// its names for these two types without one mean a length of 1.
func (p *Param) SQL() string {
	name, array := strings.CutSuffix(p.Type, "[]")
	switch name {
	case "character":
		name = "bpchar"
	case "bit":
		name = `"bit"`
	}
	if array {
		name += "[]"
	}
	return name
}

// Param returns the parameter called name, or nil.
func (f *Function) Param(name string) *Param {
	for i := range f.Params {
		if f.Params[i].Name == name {
			return &f.Params[i]
		}
	}
	return nil
}

// ResultColumn reports whether a set-returning result can be filtered by name.
func (f *Function) ResultColumn(name string) bool {
	if f.Table != nil {
		return f.Table.Column(name) != nil
	}
	return slices.ContainsFunc(f.Columns, func(c *Column) bool { return c.Name == name })
}

func (b *builder) functions() {
	for f := range catalog.Each(b.Snapshot.Functions) {
		own := !f.System && f.Extension == "" && (f.Kind == "function" || f.Kind == "aggregate")
		if !own || !b.exposedSchema(f.Schema) || !b.HasFunctionPrivilege(b.Role, f) {
			continue
		}
		if f.Kind == "aggregate" {
			b.mediaHandler(f)
		} else if out := b.function(f); out != nil {
			b.file(out)
		}
	}
}

// file puts a function of one row with its table, and any other among the callable
// ones.
func (b *builder) file(f *Function) {
	if len(f.Params) == 1 {
		if t := b.rowType(f.Params[0].Type); t != nil {
			f.rowArgument = t
			if !(f.Set && f.Table != nil) {
				t.Computed[f.Name.Name] = f
			}
			b.schema.related[t.Name] = append(b.schema.related[t.Name], computedRelationship(f)...)
			return
		}
	}
	if !slices.ContainsFunc(f.Params, func(p Param) bool { return p.Name == "" }) || takesBody(f) {
		b.schema.Functions[f.Name] = append(b.schema.Functions[f.Name], f)
	}
}

// takesBody reports whether the one parameter of a function, which has no name, can be a
// whole body. No other parameter without a name can be given a value.
func takesBody(f *Function) bool {
	return len(f.Params) == 1 && slices.Contains([]string{"json", "jsonb", "text", "xml", "bytea"}, f.Params[0].Type)
}

func (b *builder) function(f *catalog.Function) *Function {
	result, isSet := strings.CutPrefix(f.Result, "SETOF ")
	if result == "trigger" || result == "event_trigger" || result == "internal" {
		return nil
	}
	out := &Function{
		Name: Name{Schema: f.Schema, Name: f.Name}, Comment: f.Comment, Volatile: f.Volatile == "volatile",
		Set: isSet || f.ReturnsSet, OneRow: f.OneRow, Void: result == "void", Result: result,
	}
	for _, p := range f.Params {
		switch p.Mode {
		case "in", "inout", "variadic":
			out.Params = append(out.Params, Param{p.Name, p.Type, p.HasDefault, p.Mode == "variadic"})
		}
		switch p.Mode {
		case "out", "inout", "table":
			out.Columns = append(out.Columns, b.resultColumn(p.Name, p.Type))
		}
	}
	for _, setting := range f.Settings {
		if value, ok := strings.CutPrefix(setting, "statement_timeout="); ok {
			out.Timeout = value
		}
	}
	b.result(out, f)
	return out
}

// result decides between a scalar and columns: those of OUT parameters and TABLE, of a
// table, or of a composite type.
func (b *builder) result(out *Function, f *catalog.Function) {
	switch {
	case len(out.Columns) == 1 && out.Columns[0].Name == "": // an OUT parameter without a name
		out.Result, out.Columns = out.Columns[0].Type, nil
	case len(out.Columns) > 0 || out.Result == "record":
		out.Composite = true
	default:
		if out.Table = b.rowType(b.base(out.Result)); out.Table != nil {
			out.Composite = true
		} else {
			out.Columns, out.Composite = b.compositeType(out.Result)
		}
	}
	if domain := b.mediaDomain(out.Result); domain != nil && !out.Composite && !out.Set {
		out.Media, out.Bytes = domain.Name, b.base(domain.Base) == "bytea"
	}
	out.Scalar = !out.Composite && (Scalar(out.Result) || b.isEnum(out.Result))
}

func (b *builder) resultColumn(name, sqlName string) *Column {
	base := b.base(sqlName)
	return &Column{Name: name, Type: sqlName, Base: base, Scalar: Scalar(base) || b.isEnum(sqlName), Select: true}
}

// base is the type under a domain, and under the domains under that one.
func (b *builder) base(sqlName string) string {
	for range len(b.schema.Types) {
		t := b.schema.Types[unqualified(sqlName)]
		if t == nil || t.Base == "" {
			break
		}
		sqlName = t.Base
	}
	return sqlName
}

func (b *builder) isEnum(sqlName string) bool {
	t := b.schema.Types[unqualified(sqlName)]
	return t != nil && len(t.Labels) > 0
}

// rowType returns the exposed table whose row type is named so.
func (b *builder) rowType(sqlName string) *Table {
	name := unqualified(sqlName)
	for _, schema := range b.schema.Schemas {
		if table, found := strings.CutPrefix(name, schema+"."); found {
			return b.schema.Table(schema, table)
		}
	}
	if builtin(name) != "" {
		return nil // a table called xml makes no type of that name
	}
	for _, schema := range b.schema.Schemas {
		if t := b.schema.Table(schema, name); t != nil {
			return t
		}
	}
	return nil
}

// compositeType returns the columns of a composite type, and whether a name is one or
// the row type of a relation that is not exposed, whose columns are nobody's business.
func (b *builder) compositeType(sqlName string) ([]*Column, bool) {
	name := unqualified(sqlName)
	for _, t := range b.Snapshot.Types {
		if t.Kind == "composite" && (sqlType(t.Schema, t.Name) == name || t.Name == name) {
			var columns []*Column
			for _, a := range t.Attributes {
				columns = append(columns, b.resultColumn(a.Name, a.Type))
			}
			return columns, true
		}
	}
	schema, relation, _ := strings.Cut(name, ".")
	return nil, b.Relation(Name{Schema: schema, Name: relation}) != nil
}
