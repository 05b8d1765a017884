package body

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Uses is what a body shows without being run or understood: what it names, and whether
// it builds SQL while it runs.
type Uses struct {
	Tokens []sqltext.Token
	Tables []Table
	// Words holds every word and quoted name, in lower case.
	Words map[string]bool
	// Settings are the settings read by a literal name, and Calls what is called by a
	// qualified one; those in the text of EXECUTE too.
	Settings []string
	Calls    []catalog.QName
	// Dynamic: EXECUTE with text that is put together.
	Dynamic bool
	// Foreign: in a language whose text says nothing here.
	Foreign bool
}

// Table is a relation named after FROM, JOIN, INTO, UPDATE, DELETE or TRUNCATE. Schema
// is "" where none is said. Verb is what is done to it: SELECT, INSERT, UPDATE, DELETE,
// TRUNCATE or MERGE.
type Table struct{ Schema, Name, Verb string }

// Writes reports whether the use changes rows.
func (t Table) Writes() bool { return t.Verb != "SELECT" }

// Scan says what a function's body uses.
func Scan(f *catalog.Function) Uses { return scan(f, sqltext.Code(f.Body)) }

// UsesOf says what a part of a function's body uses.
func UsesOf(f *catalog.Function, part []sqltext.Token) Uses { return scan(f, part) }

func scan(f *catalog.Function, tokens []sqltext.Token) Uses {
	u := Uses{Tokens: tokens, Words: map[string]bool{}, Foreign: f.Language != "sql" && f.Language != "plpgsql"}
	u.Settings, u.Calls = named(tokens)
	var with []string // names of common table expressions
	for i, t := range tokens {
		if t.IsName() {
			u.Words[strings.ToLower(t.Name())] = true
		}
		if u.At(i+1).Is("as") && u.At(i+2).Is("(") {
			with = append(with, t.Name())
		}
	}
	for i, t := range tokens {
		if use, ok := u.table(i); ok && (use.Schema != "" || !slices.Contains(with, use.Name)) {
			u.Tables = append(u.Tables, use)
		}
		if t.Is("execute") && !u.is(i+1, "function", "procedure") && !u.is(i-1, "grant", "revoke") {
			known, ok := u.formatted(f, i+1)
			u.Tables = append(u.Tables, known...)
			u.Dynamic = u.Dynamic || !ok && u.composed(i+1)
		}
	}
	return u
}

// Arbiters are the columns that the body names in ON CONFLICT (…), a list for each.
func (u *Uses) Arbiters() [][]string {
	var all [][]string
	for i, t := range u.Tokens {
		if !t.Is("on") || !u.At(i+1).Is("conflict") || !u.At(i+2).Is("(") {
			continue
		}
		var columns []string
		for n := i + 3; u.At(n).IsName(); n += 2 {
			columns = append(columns, u.At(n).Name())
			if !u.At(n + 1).Is(",") {
				break
			}
		}
		all = append(all, columns)
	}
	return all
}

// Words returns every word and quoted name of a text of SQL, in lower case, those inside
// its strings too.
func Words(text string) map[string]bool {
	out := map[string]bool{}
	for _, t := range sqltext.Code(text) {
		switch {
		case t.IsName():
			out[strings.ToLower(t.Name())] = true
		case t.Kind == sqltext.String:
			for word := range Words(t.Value()) {
				out[word] = true
			}
		}
	}
	return out
}

// Settings returns the settings that an expression or a body reads by a literal name.
func Settings(text string) []string {
	settings, _ := named(sqltext.Code(text))
	return settings
}

// named finds current_setting('name') and schema.function(…), in strings too.
func named(tokens []sqltext.Token) (settings []string, calls []catalog.QName) {
	at := func(i int) sqltext.Token {
		if i >= len(tokens) {
			return sqltext.Token{}
		}
		return tokens[i]
	}
	for i, t := range tokens {
		switch {
		case t.Kind == sqltext.String && strings.Contains(t.Text, "("):
			more, called := named(sqltext.Code(t.Value()))
			settings, calls = append(settings, more...), append(calls, called...)
		case !t.IsName():
		case t.Name() == "current_setting" && at(i+1).Is("(") && at(i+2).Kind == sqltext.String:
			settings = append(settings, strings.ToLower(at(i+2).Value()))
		case at(i+1).Is(".") && at(i+2).IsName() && at(i+3).Is("("):
			calls = append(calls, catalog.QName{Schema: t.Name(), Name: at(i + 2).Name()})
		}
	}
	return settings, calls
}

// At returns a token, none where there is none.
func (u *Uses) At(i int) sqltext.Token {
	if i < 0 || i >= len(u.Tokens) {
		return sqltext.Token{}
	}
	return u.Tokens[i]
}

// is reports whether the token at i is one of these.
func (u *Uses) is(i int, texts ...string) bool { return slices.ContainsFunc(texts, u.At(i).Is) }

// composed reports whether the text after EXECUTE is more than one string constant.
func (u *Uses) composed(i int) bool {
	for ; i < len(u.Tokens) && !u.is(i, ";", "using", "into"); i++ {
		if u.At(i).Kind != sqltext.String {
			return true
		}
	}
	return false
}

// formatted reads EXECUTE format('…', …): the tables that it names, where a caller's texts
// can only be quoted values and the names of columns; ok is false for anything else.
func (u *Uses) formatted(f *catalog.Function, i int) (tables []Table, ok bool) {
	if !u.is(i, "format") || !u.is(i+1, "(") || u.At(i+2).Kind != sqltext.String {
		return nil, false
	}
	end, level := i+1, 0
	for ; end < len(u.Tokens); end++ {
		if u.is(end, "(") {
			level++
		} else if u.is(end, ")") {
			if level--; level == 0 {
				break
			}
		}
	}
	if !u.is(end+1, ";", "using", "into") {
		return nil, false
	}
	const name = "moat_any_name"
	text := strings.NewReplacer("%I", name, "%L", "''").Replace(u.At(i + 2).Value())
	inner := scan(f, sqltext.Code(text))
	if first := inner.At(0); !first.Is("select") && !first.Is("insert") && !first.Is("update") && !first.Is("delete") {
		return nil, false
	}
	if strings.Contains(text, "%") || inner.Dynamic || strings.Contains(text, name+"(") {
		return nil, false
	}
	for _, t := range inner.Tables {
		if strings.Contains(t.Schema+t.Name, name) {
			return nil, false
		}
	}
	return inner.Tables, true
}

// table reads the relation that the keyword at i introduces.
func (u *Uses) table(i int) (use Table, ok bool) {
	t, at := u.At(i), i+1
	use.Verb = "SELECT"
	switch {
	case t.Is("join"):
	case t.Is("from"):
		if u.is(i-1, "distinct") || u.inCall(i) {
			return use, false
		}
		if u.is(i-1, "delete") {
			use.Verb = "DELETE"
		}
	case t.Is("into") && u.is(i-1, "insert", "merge"):
		use.Verb = strings.ToUpper(u.At(i - 1).Text)
	case t.Is("update") && !u.is(i-1, "for", "do", "on", "or", "before", "after", "key", "then", "no"):
		use.Verb = "UPDATE"
	case t.Is("truncate"):
		use.Verb = "TRUNCATE"
		if u.is(at, "table") {
			at++
		}
	default:
		return use, false
	}
	if u.is(at, "only", "lateral") {
		at++
	}
	if !u.At(at).IsName() || u.is(at, "select") {
		return use, false
	}
	use.Name = u.At(at).Name()
	if u.is(at+1, ".") {
		use.Schema, use.Name = use.Name, u.At(at+2).Name()
		at += 2
	}
	// A function in FROM is none, and columns stand after INTO's.
	return use, use.Writes() || !u.is(at+1, "(")
}

// inCall reports whether FROM at i belongs to extract(… FROM …) and its like.
func (u *Uses) inCall(i int) bool {
	depth := 0
	for i--; i > 0; i-- {
		switch {
		case u.is(i, ")"):
			depth++
		case u.is(i, "(") && depth == 0:
			return u.is(i-1, "extract", "substring", "trim", "overlay", "position")
		case u.is(i, "("):
			depth--
		case u.is(i, ";"), depth == 0 && u.is(i, "select"):
			return false
		}
	}
	return false
}

// Unqualified returns the first relation that is named without a schema.
func (u *Uses) Unqualified() string {
	for _, t := range u.Tables {
		if t.Schema == "" {
			return t.Name
		}
	}
	return ""
}

// Of says how a relation is used: whether it is named, and whether it is written. An
// unqualified name is taken for any relation of that name.
func (u *Uses) Of(name catalog.QName) (reads, writes bool) {
	for _, t := range u.Tables {
		if t.Name == name.Name && (t.Schema == "" || t.Schema == name.Schema) {
			reads, writes = true, writes || t.Writes()
		}
	}
	return reads, writes
}

// Sets lists the columns that UPDATEs of a relation set; adds is true where something else
// writes to it.
func (u *Uses) Sets(name catalog.QName) (columns []string, adds bool) {
	for _, t := range u.Tables {
		if t.Name == name.Name && (t.Schema == "" || t.Schema == name.Schema) && t.Writes() && t.Verb != "UPDATE" &&
			t.Verb != "DELETE" {
			adds = true
		}
	}
	for i, t := range u.Tokens {
		if (t.Is("set") || t.Is(",")) && u.At(i+1).IsName() && u.At(i+2).Is("=") {
			columns = append(columns, u.At(i+1).Name())
		}
		adds = adds || t.Is("set") && u.At(i+1).Is("(") // SET (a, b) = …
	}
	return columns, adds
}

// Mentions reports whether one of these words stands anywhere.
func (u *Uses) Mentions(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return u.Words[w] })
}
