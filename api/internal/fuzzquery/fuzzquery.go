// Package fuzzquery makes query strings for tests: most nearly right, some hostile,
// so that they get past the parser and into the planner and the database.
package fuzzquery

import (
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Generator makes query strings from the names of a schema. It is not safe for
// concurrent use.
type Generator struct {
	Rand   *rand.Rand
	Tables map[string][]string // table → columns
	// Related are the names that can be embedded.
	Related []string
	// Media are the types that the database makes answers of.
	Media []string
	names []string // of Tables, sorted: map order would make a seed mean nothing
}

var operators = []string{"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch", "in", "is",
	"isdistinct", "fts", "plfts", "phfts", "wfts", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj",
	"fts(english)", "eq(any)", "like(all)", "gt(any)"}

var values = []string{"1", "0", "-1", "null", "true", "a", "new", "#0000ff", "0000ff", "won", "{a,b}", "(1,2)", "[1,5)",
	"2024-01-01",
	"ada@example.com", "*a*", "", `"quoted"`, "1e400", "99999999999999999999", "a&b", "it's", `\`, `";drop table x;--`,
	"' or 1=1 --", "$1", "%00", "\xff", "☃", "{", "(", `{"a":1}`, "not_null", "unknown", "("}

var hostile = []string{"pg_class", "pg_catalog.pg_authid", `"x"; select 1`, "secrets", "private.secrets", "tenant_id",
	"ctid", "xmin", "moat_key", "*", "count()", "", "a->b->>c", "tableoid", "unprotected"}

var casts = []string{"text", "_text", "_int4", "hue", "int", "uuid", "jsonb", "regclass", "text[]", "lead_status",
	"numeric(3,1)",
	"int) from pg_class --", "varchar(5)", "timestamptz"}

func (g *Generator) pick(list []string) string { return list[g.Rand.IntN(len(list))] }

func (g *Generator) chance(percent int) bool { return g.Rand.IntN(100) < percent }

// Table picks a table.
func (g *Generator) Table() string {
	if g.names == nil {
		g.names = slices.Sorted(maps.Keys(g.Tables))
	}
	return g.pick(g.names)
}

// quote writes a name as a URL has it: odd ones in quotes.
func quote(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return name
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

func (g *Generator) column(table string) string {
	if g.chance(8) {
		return g.pick(hostile)
	}
	columns := g.Tables[table]
	if len(columns) == 0 || g.chance(10) {
		columns = g.Tables[g.Table()]
	}
	name := quote(g.pick(columns))
	switch {
	case g.chance(6):
		return name + "->" + g.pick([]string{"a", "0", "-1", "x y", "'"})
	case g.chance(6):
		return name + "->>" + g.pick([]string{"city", "1", `"q"`})
	}
	return name
}

func (g *Generator) operation() string {
	not := ""
	if g.chance(15) {
		not = "not."
	}
	return not + g.pick(operators) + "." + g.pick(values)
}

func (g *Generator) item(table string, depth int) string {
	switch {
	case g.chance(10):
		return "*"
	case depth < 4 && g.chance(25):
		name := g.pick(g.Related)
		return g.pick([]string{"", "", "x:", "..."}) + quote(name) +
			g.pick([]string{"", "", "!inner", "!left", "!hint", "!lead_id"}) + "(" + g.list(name, depth+1) + ")"
	case g.chance(8):
		return g.column(table) + "." + g.pick([]string{"sum", "avg", "min", "max", "count"}) + "()"
	case g.chance(4):
		return "count()"
	case g.chance(10):
		return g.column(table) + "::" + g.pick(casts)
	case g.chance(10):
		return g.pick([]string{"a", "b", `"odd name"`, "id", "moat_key"}) + ":" + g.column(table)
	}
	return g.column(table)
}

func (g *Generator) list(table string, depth int) string {
	n := g.Rand.IntN(4)
	parts := make([]string, n)
	for i := range parts {
		parts[i] = g.item(table, depth)
	}
	return strings.Join(parts, ",")
}

func (g *Generator) tree(table string, depth int) string {
	n := 1 + g.Rand.IntN(3)
	parts := make([]string, n)
	for i := range parts {
		if depth < 4 && g.chance(25) {
			parts[i] = g.pick([]string{"and", "or", "not.and", "not.or"}) + g.tree(table, depth+1)
		} else {
			parts[i] = g.column(table) + "." + g.operation()
		}
	}
	return "(" + strings.Join(parts, ",") + ")"
}

// Query makes one query string for a table.
func (g *Generator) Query(table string) string {
	var params []string
	add := func(key, value string) {
		if g.chance(2) {
			params = append(params, key+"="+value) // not escaped
			return
		}
		params = append(params, url.QueryEscape(key)+"="+url.QueryEscape(value))
	}
	if g.chance(70) {
		add("select", g.list(table, 0))
	}
	for range g.Rand.IntN(3) {
		add(g.path()+g.column(table), g.operation())
	}
	if g.chance(25) {
		add(g.path()+g.pick([]string{"or", "and", "not.or"}), g.tree(table, 0))
	}
	if g.chance(30) {
		add(g.path()+"order", g.column(table)+
			g.pick([]string{"", ".desc", ".asc.nullsfirst", ".desc.nullslast", ".up"})+
			g.pick([]string{"", ",id", ",campaigns(name)"}))
	}
	if g.chance(20) {
		add(g.path()+"limit", strconv.Itoa(g.Rand.IntN(5)-1))
	}
	if g.chance(15) {
		add("offset", strconv.Itoa(g.Rand.IntN(5)))
	}
	if g.chance(5) {
		add("columns", g.some(table))
	}
	if g.chance(5) {
		add("on_conflict", g.some(table))
	}
	if g.chance(8) {
		add("after", g.pick([]string{"", "eyJvIjoiaWQiLCJ2IjpbIjEiXX0", "eyJvIjoiaWQiLCJ2IjpbIngiXX0", "x"}))
	}
	return g.mutate(strings.Join(params, "&"))
}

// Header makes a header of a read: a type to answer with, a zone, cookies, a range.
func (g *Generator) Header() string {
	switch g.Rand.IntN(6) {
	case 0:
		return "Prefer: timezone=" + g.pick([]string{"UTC", "-4", "+05:30", "05:30:15", "Mars/X", "'", "America/New_York"})
	case 1:
		return "Cookie: " + g.pick([]string{"a=1", "moat_client=x; b=2", "__Host-moat_client=x", "=", `a="'"`})
	case 2:
		return "Range: " + g.pick([]string{"0-1", "1-", "5-2", "-1", "0-99999999999999999999"})
	case 3:
		return "Accept: application/vnd.pgrst.plan+json"
	}
	types := append([]string{"*/*", "text/csv", "application/json", "application/geo+json", "image/png", "text/*"},
		g.Media...)
	return "Accept: " + g.pick(types) + g.pick([]string{"", ";q=0.5", ", */*;q=0.1", ";nulls=stripped"})
}

// some are a few columns, for columns= and on_conflict=.
func (g *Generator) some(table string) string {
	parts := make([]string, 1+g.Rand.IntN(3))
	for i := range parts {
		parts[i] = g.column(table)
	}
	return strings.Join(parts, ",")
}

// path leads into an embed, by its name or by the alias that some have.
func (g *Generator) path() string {
	switch {
	case g.chance(4):
		return "x."
	case g.chance(15):
		return quote(g.pick(g.Related)) + "."
	}
	return ""
}

// mutate damages some of the strings.
func (g *Generator) mutate(s string) string {
	if s == "" || !g.chance(15) {
		return s
	}
	i := g.Rand.IntN(len(s))
	switch g.Rand.IntN(3) {
	case 0:
		return s[:i]
	case 1:
		return s[:i] + string(rune(g.Rand.IntN(256))) + s[i:]
	}
	return s[:i] + s[i+1:]
}
