package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// tellsTenant says that a function does one thing with a table: it returns the tenant of
// the row with a given unique value, as a login does before the tenant is known. The
// caller must know the value, and learns whose it is.
func (f *facts) tellsTenant(fn *catalog.Function, t *catalog.Relation) bool {
	if fn.Language != "sql" || fn.BodyParsed || fn.ReturnsSet || len(fn.Params) != 1 {
		return false
	}
	code := slices.DeleteFunc(sqltext.Code(fn.Body), func(x sqltext.Token) bool { return x.Is(";") })
	names, ok := lookupNames(code)
	if !ok || names.table != t.Name || names.schema != "" && names.schema != t.Schema {
		return false
	}
	param := names.value == "$1" || names.value == fn.Params[0].Name
	return param && names.selected == f.tenantColumn(t.QName()) && uniqueAlone(t, names.column)
}

// byValue is SELECT selected FROM schema.table WHERE column = value.
type byValue struct{ selected, schema, table, column, value string }

func lookupNames(code []sqltext.Token) (l byValue, ok bool) {
	if len(code) == 10 && code[4].Is(".") {
		l.schema = code[3].Name()
		code = slices.Concat(code[:3], code[5:])
	}
	if len(code) != 8 || !code[0].Is("select") || !code[2].Is("from") || !code[4].Is("where") || !code[6].Is("=") {
		return l, false
	}
	l.selected, l.table, l.column, l.value = code[1].Name(), code[3].Name(), code[5].Name(), code[7].Name()
	return l, true
}

// uniqueAlone says that a column's value is that of one row at most.
func uniqueAlone(t *catalog.Relation, column string) bool {
	return slices.ContainsFunc(t.Indexes, func(i catalog.Index) bool {
		return i.Unique && i.Valid && i.Predicate == "" && len(i.Keys) == 1 && i.Keys[0].Column == column
	})
}
