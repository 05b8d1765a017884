package database

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// A maker makes column values. Each value it is asked for is new: the counter goes
// up, so that unique constraints hold, and texts carry the tag of their tenant, so
// that a planted row is known wherever it turns up.
type maker struct {
	types map[catalog.QName]*catalog.Type
	n     int
}

func newMaker(s *catalog.Snapshot) *maker {
	m := &maker{types: map[catalog.QName]*catalog.Type{}}
	for i := range s.Types {
		m.types[catalog.QName{Schema: s.Types[i].Schema, Name: s.Types[i].Name}] = &s.Types[i]
	}
	return m
}

// tag marks texts of planted rows: short, and found nowhere else.
func tag(tenant rune) string { return "moatq" + string(tenant) + "x" }

// sownB finds values of B's planted rows.
var sownB = regexp.MustCompile(tag(tagB) + `[0-9a-z]*|` + fmt.Sprintf("a0a7%04x", tagB) + `-[0-9a-f-]{27}`)

// ungiven says whether a text holds a value of B's planted rows that none of those in another
// text, such as a statement of A's, is or begins.
func ungiven(text, given string) bool {
	known := sownB.FindAllString(given, -1)
	return slices.ContainsFunc(sownB.FindAllString(text, -1), func(value string) bool {
		return !slices.ContainsFunc(known, func(k string) bool {
			return value == k || k != tag(tagB) && strings.HasPrefix(value, k)
		})
	})
}

const (
	tagA = 'a'
	tagB = 'b'
	tagC = 'c' // of values that rows of either may get
)

// value makes the n-th kind of value for a column; ok is false for a type that
// nothing is known about.
func (m *maker) value(c *catalog.Column, who rune, variant int) (v string, ok bool) {
	m.n++
	return m.ofType(c.TypeName, c.Type, who, variant)
}

var (
	lengthPattern = regexp.MustCompile(`\((\d+)(?:,(\d+))?\)`)
	arrayPattern  = regexp.MustCompile(`(\[\])+$`)
)

func (m *maker) ofType(q catalog.QName, typ string, who rune, variant int) (string, bool) {
	if strings.HasSuffix(typ, "[]") {
		return m.array(q, typ, who, variant)
	}
	if t := m.types[q]; t != nil {
		switch t.Kind {
		case "enum":
			if len(t.Labels) == 0 {
				return null, false
			}
			return t.Labels[variant%len(t.Labels)], true
		case "domain":
			return m.ofType(builtin(t.Base), t.Base, who, variant)
		}
	}
	return m.plain(q.Name, typ, who, variant)
}

func (m *maker) array(q catalog.QName, typ string, who rune, variant int) (string, bool) {
	if variant%2 == 1 {
		return "{}", true
	}
	element := arrayPattern.ReplaceAllString(typ, "")
	v, ok := m.ofType(catalog.QName{Schema: q.Schema, Name: strings.TrimPrefix(q.Name, "_")}, element, who, variant)
	if !ok {
		v, ok = m.ofType(builtin(element), element, who, variant)
	}
	if !ok {
		return "{}", true
	}
	return `{"` + strings.ReplaceAll(strings.ReplaceAll(v, `\`, `\\`), `"`, `\"`) + `"}`, true
}

// builtin names the type that format_type prints.
func builtin(typ string) catalog.QName {
	name := strings.TrimSpace(lengthPattern.ReplaceAllString(arrayPattern.ReplaceAllString(typ, ""), ""))
	if schema, rest, ok := strings.Cut(name, "."); ok {
		return catalog.QName{Schema: strings.Trim(schema, `"`), Name: strings.Trim(rest, `"`)}
	}
	short := map[string]string{"integer": "int4", "bigint": "int8", "smallint": "int2", "boolean": "bool",
		"character varying": "varchar",
		"character":         "bpchar", "double precision": "float8", "real": "float4",
		"timestamp with time zone":    "timestamptz",
		"timestamp without time zone": "timestamp", "time without time zone": "time", "time with time zone": "timetz",
		"bit varying": "varbit"}
	if s := short[name]; s != "" {
		name = s
	}
	return catalog.QName{Schema: "pg_catalog", Name: name}
}

func (m *maker) plain(name, typ string, who rune, variant int) (string, bool) {
	n := m.n
	switch name {
	case "uuid":
		return fmt.Sprintf("a0a7%04x-0000-4000-8%03x-%012x", who, variant&0xfff, n), true
	case "int2":
		return strconv.Itoa(31000 + n%1700), true
	case "int4", "oid":
		return strconv.Itoa(1_000_000_000 + n), true
	case "int8":
		return strconv.Itoa(7_900_000_000_000 + n), true
	case "numeric":
		return m.numeric(typ), true
	case "float4", "float8", "money":
		return strconv.Itoa(1000 + n), true
	case "text", "varchar", "bpchar", "citext", "name":
		return m.text(typ, who), true
	case "bool":
		return []string{"false", "true"}[variant&1], true
	case "json", "jsonb":
		return `{"` + tag(who) + `": ` + strconv.Itoa(n) + `}`, true
	case "bytea":
		return fmt.Sprintf(`\x%x`, tag(who)+strconv.Itoa(n)), true
	case "date":
		return fmt.Sprintf("%d-%02d-%02d", m.year(variant), 1+n%12, 1+n%28), true
	case "timestamp", "timestamptz":
		return fmt.Sprintf("%d-%02d-%02d %02d:%02d:00", m.year(variant), 1+n%12, 1+n%28, n%24, n%60), true
	}
	return m.rare(name, typ, who)
}

// year alternates between past and future: policies like to compare with now().
func (m *maker) year(variant int) int { return []int{2021, 2039}[variant&1] }

func (m *maker) rare(name, typ string, who rune) (string, bool) {
	n := m.n
	values := map[string]string{
		"time": fmt.Sprintf("%02d:%02d", n%24, n%60), "timetz": fmt.Sprintf("%02d:%02d+00", n%24, n%60),
		"interval": strconv.Itoa(n) + " minutes", "inet": fmt.Sprintf("10.77.%d.%d", n/250%250, n%250),
		"cidr":     fmt.Sprintf("10.%d.%d.0/24", n/250%250, n%250),
		"macaddr":  fmt.Sprintf("02:00:00:00:%02x:%02x", n/256%256, n%256),
		"macaddr8": fmt.Sprintf("02:00:00:ff:fe:00:%02x:%02x", n/256%256, n%256),
		"tsvector": tag(who) + strconv.Itoa(n), "tsquery": tag(who), "xml": "<moat>" + tag(who) + strconv.Itoa(n) +
			"</moat>", "ltree": tag(who) + strconv.Itoa(n), "hstore": tag(who) + "=>" + strconv.Itoa(n),
		"point": fmt.Sprintf("(%d,%d)", n, n), "box": fmt.Sprintf("((%d,%d),(%d,%d))", n, n, n+1, n+1),
		"circle": fmt.Sprintf("<(%d,%d),1>", n, n),
		"lseg":   "[(0,0),(1,1)]", "path": "[(0,0),(1,1)]", "polygon": "((0,0),(1,1),(1,0))", "line": "{1,-1,0}",
		"int4range": fmt.Sprintf("[%d,%d)", 1_000_000+2*n, 1_000_001+2*n),
		"int8range": fmt.Sprintf("[%d,%d)", 1_000_000+2*n, 1_000_001+2*n),
		"numrange":  fmt.Sprintf("[%d,%d)", 1_000_000+2*n, 1_000_001+2*n),
		"daterange": m.span(n), "tsrange": m.span(n), "tstzrange": m.span(n),
		"int4multirange": "{}", "int8multirange": "{}", "nummultirange": "{}", "datemultirange": "{}", "tsmultirange": "{}",
		"tstzmultirange": "{}",
		"regclass":       "pg_class", "regtype": "text", "pg_lsn": "0/1", "xid8": "1", "char": "m",
		"bit": strings.Repeat("1", max(1, length(typ))), "varbit": "1"}
	if name == "vector" || name == "halfvec" { // of pgvector
		return "[" + strconv.Itoa(n) + strings.Repeat(",1", max(0, length(typ)-1)) + "]", true
	}
	v, ok := values[name]
	return v, ok
}

// span is a range of one day far from any real data, another for each n.
func (m *maker) span(n int) string {
	return fmt.Sprintf("[%d-%02d-%02d,%d-%02d-%02d)", 2100+n/300, 1+n/28%11, 1+n%27, 2100+n/300, 1+n/28%11, 2+n%27)
}

func (m *maker) text(typ string, who rune) string {
	v := tag(who) + strconv.FormatInt(int64(m.n), 36)
	if l := length(typ); l > 0 && l < len(v) {
		short := strconv.FormatInt(int64(m.n), 36)
		return short[max(0, len(short)-l):]
	}
	return v
}

func (m *maker) numeric(typ string) string {
	p := lengthPattern.FindStringSubmatch(typ)
	if p == nil {
		return strconv.Itoa(1_000_000 + m.n)
	}
	precision, _ := strconv.Atoi(p[1])
	scale, _ := strconv.Atoi(p[2])
	limit := 1
	for range min(precision-scale, 9) {
		limit *= 10
	}
	return strconv.Itoa(m.n % max(limit, 1))
}

// length is the length in a type's modifier, 0 when it has none.
func length(typ string) int {
	if p := lengthPattern.FindStringSubmatch(typ); p != nil {
		n, _ := strconv.Atoi(p[1])
		return n
	}
	return 0
}

// mentions says whether a text of SQL names a column.
func mentions(text, column string) bool {
	return slices.ContainsFunc(sqltext.Code(text), func(t sqltext.Token) bool { return t.IsName() && t.Name() == column })
}
