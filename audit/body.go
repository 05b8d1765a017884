package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// body is what a function's text shows without running it: the relations it names,
// the functions it calls, and whether it builds SQL while it runs.
type body struct {
	tokens  []sqltext.Token
	tables  []tableUse
	words   map[string]bool // every word and quoted name, in lower case
	dynamic bool            // EXECUTE with text that is put together
	foreign bool            // a language whose text says nothing here
}

// tableUse is a relation that a body names after FROM, JOIN, INTO, UPDATE or DELETE.
type tableUse struct {
	schema, name string
	writes       bool
}

// body reads a function's body, once.
func (f *facts) body(fn *catalog.Function) body {
	b, ok := f.bodies[fn]
	if !ok {
		b = readBody(fn)
		f.bodies[fn] = b
	}
	return b
}

func readBody(fn *catalog.Function) body {
	b := body{words: map[string]bool{}}
	b.foreign = fn.Language != "sql" && fn.Language != "plpgsql"
	b.tokens = sqltext.Code(fn.Body)
	var with []string // names of common table expressions
	for i, t := range b.tokens {
		if t.IsName() {
			b.words[strings.ToLower(t.Name())] = true
		}
		if i+2 < len(b.tokens) && b.tokens[i+1].Is("as") && b.tokens[i+2].Text == "(" {
			with = append(with, t.Name())
		}
	}
	for i := range b.tokens {
		if use, ok := b.tableAt(i); ok && (use.schema != "" || !slices.Contains(with, use.name)) {
			b.tables = append(b.tables, use)
		}
		if b.tokens[i].Is("execute") && !b.at(i+1).Is("function") && !b.at(i+1).Is("procedure") && !b.isGrant(i) {
			b.dynamic = b.dynamic || b.composed(i+1)
		}
	}
	return b
}

func (b body) at(i int) sqltext.Token {
	if i < 0 || i >= len(b.tokens) {
		return sqltext.Token{}
	}
	return b.tokens[i]
}

func (b body) isGrant(i int) bool { return b.at(i-1).Is("grant") || b.at(i-1).Is("revoke") }

// composed says whether the text after EXECUTE is more than one string constant.
func (b body) composed(i int) bool {
	for ; i < len(b.tokens) && b.at(i).Text != ";"; i++ {
		t := b.at(i)
		if t.Is("using") || t.Is("into") {
			return false
		}
		if t.Kind != sqltext.String {
			return true
		}
	}
	return false
}

// tableAt reads the relation that the keyword at i introduces.
func (b body) tableAt(i int) (tableUse, bool) {
	t := b.tokens[i]
	var use tableUse
	at := i + 1
	switch {
	case t.Is("join"):
	case t.Is("from"):
		if b.at(i-1).Is("distinct") || b.inCall(i) {
			return use, false
		}
		use.writes = b.at(i - 1).Is("delete")
	case t.Is("into") && b.at(i-1).Is("insert"), t.Is("into") && b.at(i-1).Is("merge"):
		use.writes = true
	case t.Is("update") && !slices.ContainsFunc([]string{"for", "do", "on", "or", "before", "after", "key", "then", "no"}, b.at(i-1).Is):
		use.writes = true
	case t.Is("truncate"):
		use.writes = true
		if b.at(at).Is("table") {
			at++
		}
	default:
		return use, false
	}
	if b.at(at).Is("only") || b.at(at).Is("lateral") {
		at++
	}
	name := b.at(at)
	if !name.IsName() || name.Is("select") {
		return use, false
	}
	use.name = name.Name()
	after := at + 1
	if b.at(at+1).Text == "." {
		use.schema, use.name = use.name, b.at(at+2).Name()
		after = at + 3
	}
	if b.at(after).Text == "(" && !use.writes {
		return use, false // a function in FROM
	}
	return use, true
}

// inCall says whether FROM at i belongs to extract(… FROM …) and its like.
func (b body) inCall(i int) bool {
	depth := 0
	for i--; i >= 0 && i > 0; i-- {
		switch b.tokens[i].Text {
		case ")":
			depth++
		case "(":
			if depth == 0 {
				return slices.ContainsFunc([]string{"extract", "substring", "trim", "overlay", "position"}, b.at(i-1).Is)
			}
			depth--
		case ";":
			return false
		}
		if depth == 0 && b.tokens[i].Is("select") {
			return false
		}
	}
	return false
}

// unqualified returns the first relation that the body names without a schema.
func (b body) unqualified() string {
	for _, t := range b.tables {
		if t.schema == "" {
			return t.name
		}
	}
	return ""
}

// uses says how a body uses a relation: whether it names it, and whether it writes.
// An unqualified name is taken for any relation of that name.
func (b body) uses(name catalog.QName) (reads, writes bool) {
	for _, t := range b.tables {
		if t.name == name.Name && (t.schema == "" || t.schema == name.Schema) {
			reads, writes = true, writes || t.writes
		}
	}
	return reads, writes
}

// calls says whether the body mentions one of these function names.
func (b body) calls(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return b.words[n] })
}

// knowsCaller says whether a body asks who the caller is: reads a setting itself, or
// calls a function that policies or other bodies take the caller from.
func (f *facts) knowsCaller(b body) bool {
	if b.words["current_setting"] {
		return true
	}
	for name := range f.identity {
		if b.words[name] {
			return true
		}
	}
	return false
}

// setting returns the value of a setting that the function carries (proconfig).
func setting(fn *catalog.Function, name string) (string, bool) {
	for _, s := range fn.Settings {
		if k, v, _ := strings.Cut(s, "="); strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// tempLast says whether a function's search_path is fixed and names pg_temp last.
func tempLast(fn *catalog.Function) bool {
	path, ok := setting(fn, "search_path")
	if !ok {
		return false
	}
	parts := strings.Split(path, ",")
	return strings.Trim(strings.TrimSpace(parts[len(parts)-1]), `"`) == "pg_temp"
}

// searchPathSQL fixes a function's search_path: what it has, or pg_catalog and its
// own schema, with pg_temp named last so that no temporary table comes first.
func searchPathSQL(fn *catalog.Function) string {
	path, ok := setting(fn, "search_path")
	parts := []string{"pg_catalog", sqltext.Ident(fn.Schema)}
	if ok {
		parts = nil
		for p := range strings.SplitSeq(path, ",") {
			p = strings.TrimSpace(p)
			if p != "" && p != `""` && strings.Trim(p, `"`) != "pg_temp" {
				parts = append(parts, p)
			}
		}
		if !slices.Contains(parts, "pg_catalog") {
			parts = append([]string{"pg_catalog"}, parts...)
		}
	}
	return "ALTER " + routine(fn) + " " + functionSQL(fn) + " SET search_path = " + strings.Join(append(parts, "pg_temp"), ", ")
}
