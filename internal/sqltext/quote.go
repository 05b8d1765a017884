package sqltext

import (
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// Ident quotes an identifier as PostgreSQL's quote_ident does: only where it
// must be, which is for a key word and for anything but lower-case letters, digits
// and underscores.
func Ident(name string) string {
	if isPlain(name) && !IsKeyword(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func isPlain(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// IsKeyword reports whether a word, in lower case, is one of the key words of PostgreSQL 14
// to 18 that quote_ident quotes: all but the unreserved ones (pg_get_keywords).
func IsKeyword(name string) bool {
	switch name {
	case "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
		"between", "bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character",
		"check", "coalesce", "collate", "collation", "column", "concurrently", "constraint", "create",
		"cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
		"current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc", "distinct",
		"do", "else", "end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign",
		"freeze", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in",
		"initially", "inner", "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull",
		"join", "json", "json_array", "json_arrayagg", "json_exists", "json_object", "json_objectagg",
		"json_query", "json_scalar", "json_serialize", "json_table", "json_value", "lateral", "leading",
		"least", "left", "like", "limit", "localtime", "localtimestamp", "merge_action", "national",
		"natural", "nchar", "none", "normalize", "not", "notnull", "null", "nullif", "numeric", "offset",
		"on", "only", "or", "order", "out", "outer", "overlaps", "overlay", "placing", "position",
		"precision", "primary", "real", "references", "returning", "right", "row", "select", "session_user",
		"setof", "similar", "smallint", "some", "substring", "symmetric", "system_user", "table",
		"tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union",
		"unique", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where", "window",
		"with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces",
		"xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable":
		return true
	}
	return false
}

// Role quotes a role's name; the empty name is PUBLIC, a key word.
func Role(name string) string {
	if name == "" {
		return "PUBLIC"
	}
	return Ident(name)
}

// Idents quotes identifiers and joins them by commas.
func Idents(names []string) string { return list.Join(names, ", ", Ident) }

// Pairs is the condition that the columns of one table are equal to those of another, pair by pair.
func Pairs(a string, columns []string, b string, others []string) string {
	pairs := make([]string, len(columns))
	for i, c := range columns {
		pairs[i] = a + "." + Ident(c) + " = " + b + "." + Ident(others[i])
	}
	return strings.Join(pairs, " AND ")
}

// Setting writes the name of a run-time parameter: each of its parts an identifier.
func Setting(name string) string {
	return strings.ReplaceAll(Idents(strings.Split(name, ".")), ", ", ".")
}

// Literal quotes a text as PostgreSQL's quote_literal does: a text with a
// backslash becomes an E string, right whatever standard_conforming_strings says.
func Literal(text string) string {
	quoted := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	if strings.Contains(text, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
