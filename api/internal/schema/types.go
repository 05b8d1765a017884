package schema

import (
	"cmp"
	"slices"
	"strings"
)

// Scalar reports whether the text form of a built-in type is what its JSON value is
// made of: a number, true or false, JSON itself, or a string. Arrays, composites and
// the rest go through to_json on the server.
func Scalar(sqlType string) bool {
	return builtin(baseName(sqlType)) != "" && !strings.HasSuffix(sqlType, "]")
}

// baseName drops a modifier: character varying(20) is character varying.
func baseName(sqlType string) string {
	open := strings.IndexByte(sqlType, '(')
	if open < 0 {
		return sqlType
	}
	end := strings.IndexByte(sqlType[open:], ')')
	if end < 0 {
		return sqlType
	}
	return sqlType[:open] + sqlType[open+end+1:]
}

// builtin returns PostgreSQL's own spelling of a built-in scalar type by any of its
// names, or "".
func builtin(name string) string {
	if name = cmp.Or(spellings[name], name); slices.Contains(scalars, name) {
		return name
	}
	return ""
}

var spellings = map[string]string{"bool": "boolean", "int2": "smallint", "int": "integer", "int4": "integer",
	"int8": "bigint", "float4": "real", "float8": "double precision", "float": "double precision",
	"decimal": "numeric", "varchar": "character varying", "char": "character", "bpchar": "character",
	"timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
	"timetz": "time with time zone", "time": "time without time zone", "varbit": "bit varying"}

var scalars = []string{"boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric",
	"text", "uuid", "date", "json", "jsonb", "bytea", "interval", "inet", "cidr", "macaddr", "macaddr8",
	"money", "xml", "tsvector", "tsquery", "oid", "name", "int4range", "int8range", "numrange", "tsrange",
	"tstzrange", "daterange", "int4multirange", "int8multirange", "nummultirange", "tsmultirange",
	"tstzmultirange", "datemultirange", "point", "line", "lseg", "box", "path", "polygon", "circle", "pg_lsn",
	"character varying", "character", "bit", "bit varying", "timestamp with time zone",
	"timestamp without time zone", "time with time zone", "time without time zone"}

// Cast returns the SQL of a type that a client may cast to: a built-in scalar or an
// enum or domain of an exposed schema, with a numeric modifier and [] after it. It
// returns "" for anything else. Types whose text names objects (regclass) are left
// out: they would tell of tables that are not exposed.
func (s *Schema) Cast(schema, name string) string {
	array := strings.HasSuffix(name, "[]")
	name = strings.TrimSuffix(name, "[]")
	if element, internal := strings.CutPrefix(name, "_"); internal && builtin(element) != "" {
		array, name = true, element // as PostgreSQL calls an array of it inside
	}
	modifier := ""
	if open := strings.IndexByte(name, '('); open > 0 && strings.HasSuffix(name, ")") {
		modifier = name[open:]
		name = name[:open]
		if strings.Trim(modifier[1:len(modifier)-1], "0123456789, ") != "" || len(modifier) > 12 {
			return ""
		}
	}
	sql := builtin(strings.ToLower(strings.TrimSpace(name)))
	if sql != "" {
		sql = withModifier(sql, modifier)
	} else if modifier == "" {
		sql = s.userType(schema, name)
	}
	if sql != "" && array {
		sql += "[]"
	}
	return sql
}

// withModifier puts (n) where the grammar wants it: timestamp(3) with time zone.
func withModifier(sql, modifier string) string {
	if modifier == "" {
		return sql
	}
	for _, suffix := range []string{" with time zone", " without time zone"} {
		if base, found := strings.CutSuffix(sql, suffix); found {
			return base + modifier + suffix
		}
	}
	return sql + modifier
}

func (s *Schema) userType(schema, name string) string {
	name = strings.ReplaceAll(name, `"`, "")
	if !strings.Contains(name, ".") {
		name = sqlType(schema, name)
	}
	owner, _, _ := strings.Cut(name, ".")
	for _, exposed := range s.Schemas {
		if t := s.Types[name]; exposed == owner && t != nil {
			return t.SQL
		}
	}
	return ""
}
