package migrations

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// Place is a line of a migration.
type Place struct {
	File string
	Line int
}

// Locator finds the statement that made an object.
type Locator struct{ statements []located }

type located struct {
	Place
	tokens []sqltext.Token
	text   string
	verb   string // "create table", "grant", …, in lower case
}

// NewLocator indexes a folder.
func NewLocator(f Folder) *Locator {
	l := &Locator{}
	for _, file := range f.Files {
		for _, s := range file.Statements {
			tokens := sqltext.Code(s.Text)
			l.statements = append(l.statements, located{Place{file.Path, s.Line}, tokens, s.Text, verb(tokens)})
		}
	}
	return l
}

// verb names a statement by its first words: "create policy", "alter table", "grant".
func verb(tokens []sqltext.Token) string {
	skip := []string{"or", "replace", "temp", "temporary", "unique", "unlogged", "recursive", "constraint", "materialized",
		"foreign", "global", "local"}
	var words []string
	for _, t := range tokens {
		if t.Kind != sqltext.Word || len(words) == 2 {
			break
		}
		if len(words) == 1 && slices.ContainsFunc(skip, t.Is) {
			continue
		}
		words = append(words, strings.ToLower(t.Text))
	}
	if len(words) > 0 && (words[0] == "create" || words[0] == "alter") {
		return strings.Join(words, " ")
	}
	return strings.Join(words[:min(1, len(words))], "")
}

// Find returns where the object of a finding was made: object is schema.table,
// schema.table.part, schema.function(types) or a role; rule's group says which kinds
// of statement to prefer. It returns false when no statement names the object.
func (l *Locator) Find(rule, object string) (Place, bool) {
	name, _, isFunction := strings.Cut(object, "(")
	parts := strings.Split(name, ".")
	var schema, table, part string
	switch {
	case len(parts) == 3:
		schema, table, part = parts[0], parts[1], parts[2]
	case len(parts) == 2:
		schema, table = parts[0], parts[1]
	default:
		table = parts[0]
	}
	if part != "" {
		if p, ok := l.last(preferred("", part), schema, table, part); ok {
			return p, true
		}
		if p, ok := l.inline(schema, table, part); ok {
			return p, true
		}
	}
	group, _, _ := strings.Cut(rule, "-")
	if isFunction {
		group = "func"
	}
	if p, ok := l.last(preferred(group, part), schema, table, ""); ok {
		return p, true
	}
	return l.last(nil, schema, table, "")
}

// preferred lists the verbs of statements that make what a group of rules is about.
func preferred(group, part string) []string {
	switch {
	case part != "":
		return []string{"create policy", "alter policy", "create index", "create trigger", "create rule", "create table",
			"alter table"}
	case group == "grant":
		return []string{"grant", "alter default"}
	case group == "role":
		return []string{"create role", "alter role", "create user", "alter user", "grant"}
	case group == "func":
		return []string{"create function", "create procedure"}
	}
	return []string{"create table", "create view", "select"}
}

// last returns the last statement with one of the verbs that names the table, and the
// part where one is asked for. It points at the line of the part, else of the start.
func (l *Locator) last(verbs []string, schema, table, part string) (Place, bool) {
	for _, s := range slices.Backward(l.statements) {
		if verbs != nil && !slices.Contains(verbs, s.verb) {
			continue
		}
		if !s.about(schema, table) {
			continue
		}
		if part == "" {
			return s.Place, true
		}
		if at := s.mentions(part); at >= 0 {
			return s.at(at), true
		}
	}
	return Place{}, false
}

// inline finds a constraint that PostgreSQL named itself: table_column_key and the
// like point at the column in the statement that made the table or the column.
func (l *Locator) inline(schema, table, part string) (Place, bool) {
	rest, ok := strings.CutPrefix(part, table+"_")
	if !ok {
		return Place{}, false
	}
	if rest == "pkey" {
		return l.last([]string{"create table", "alter table"}, schema, table, "primary")
	}
	for _, suffix := range []string{"_fkey", "_key", "_excl", "_check", "_idx"} {
		rest = strings.TrimSuffix(rest, suffix)
	}
	return l.last([]string{"create table", "alter table", "create index"}, schema, table, rest)
}

// about says whether a statement is about a relation, function or role: the one that
// it creates or alters, or stands after ON. A table that a foreign key refers to is
// not what its statement is about.
func (s located) about(schema, name string) bool {
	for i, t := range s.tokens {
		if !t.IsName() || t.Name() != name {
			continue
		}
		qualified := i >= 2 && s.tokens[i-1].Text == "."
		if qualified && schema != "" && s.tokens[i-2].Name() != schema {
			continue
		}
		before := i - 1
		if qualified {
			before = i - 3
		}
		if before < 0 || s.introduces(before) {
			return true
		}
	}
	return false
}

// introduces says whether the token before a name makes the name the subject.
func (s located) introduces(i int) bool {
	words := []string{"table", "view", "function", "procedure", "sequence", "index", "on", "only", "exists", "role",
		"user", "group",
		"schema", "database", "trigger", "publication", "to", "into", "grant", "revoke"}
	if s.verb == "grant" || s.verb == "revoke" {
		return true
	}
	return slices.ContainsFunc(words, s.tokens[i].Is) && !(s.tokens[i].Is("on") && i > 0 && s.tokens[i-1].Is("references"))
}

func (s located) mentions(name string) int {
	return slices.IndexFunc(s.tokens, func(t sqltext.Token) bool {
		return t.IsName() && t.Name() == name
	})
}

func (s located) at(token int) Place {
	return Place{s.File, s.Line + strings.Count(s.text[:s.tokens[token].Pos], "\n")}
}
