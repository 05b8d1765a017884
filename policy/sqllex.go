package policy

import (
	"errors"
	"strings"
)

// The bodies of helper functions are kept as text. What follows reads the small
// part of SQL and PL/pgSQL in which such helpers are written, into the same Nodes
// as policies. It refuses whatever it does not know: a function that is not
// understood does not isolate.

// errSQL is returned for a body outside the part of the language that is read.
var errSQL = errors.New("not read")

// tokenKind tells the words of SQL apart.
type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenQuoted // "Name"
	tokenString
	tokenNumber
	tokenParam // $1
	tokenSign  // an operator or a mark
)

// token is a word of SQL. Words are in lower case, strings without their quotes.
type token struct {
	kind tokenKind
	text string
}

func (t token) is(text string) bool {
	return (t.kind == tokenWord || t.kind == tokenSign) && t.text == text
}

// lexSQL cuts a text into tokens, without comments.
func lexSQL(text string) ([]token, error) {
	var all []token
	for i := 0; i < len(text); {
		t, next, err := lexOne(text, i)
		if err != nil {
			return nil, err
		}
		if t.kind != tokenEnd {
			all = append(all, t)
		}
		i = next
	}
	return all, nil
}

// lexOne returns the token at i, tokenEnd for blanks and comments, and where the
// next begins.
func lexOne(text string, i int) (token, int, error) {
	rest := text[i:]
	c := rest[0]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
		return token{}, i + 1, nil
	case strings.HasPrefix(rest, "--"):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return token{}, i + end, nil
		}
		return token{}, len(text), nil
	case strings.HasPrefix(rest, "/*"):
		end, err := commentEnd(rest)
		return token{}, i + end, err
	case c == '\'':
		return lexString(text, i+1, false)
	case (c == 'e' || c == 'E') && len(rest) > 1 && rest[1] == '\'':
		return lexString(text, i+2, true)
	case c == '"':
		return lexQuoted(text, i+1)
	case c == '$':
		return lexDollar(text, i)
	case isDigit(c) || c == '.' && len(rest) > 1 && isDigit(rest[1]):
		end := 1
		for end < len(rest) && (isDigit(rest[end]) || rest[end] == '.') {
			end++
		}
		return token{tokenNumber, rest[:end]}, i + end, nil
	case isWordByte(c):
		end := 1
		for end < len(rest) && (isWordByte(rest[end]) || isDigit(rest[end]) || rest[end] == '$') {
			end++
		}
		return token{tokenWord, strings.ToLower(rest[:end])}, i + end, nil
	}
	sign := signAt(rest)
	return token{tokenSign, sign}, i + len(sign), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isWordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// commentEnd finds the end of a block comment; they nest.
func commentEnd(text string) (int, error) {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, errSQL
}

func lexString(text string, i int, escapes bool) (token, int, error) {
	var b strings.Builder
	for ; i < len(text); i++ {
		switch {
		case text[i] == '\\' && escapes:
			return token{}, 0, errSQL // what it stands for does not matter enough
		case text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case text[i] == '\'':
			return token{tokenString, b.String()}, i + 1, nil
		default:
			b.WriteByte(text[i])
		}
	}
	return token{}, 0, errSQL
}

func lexQuoted(text string, i int) (token, int, error) {
	var b strings.Builder
	for ; i < len(text); i++ {
		switch {
		case text[i] == '"' && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case text[i] == '"':
			return token{tokenQuoted, b.String()}, i + 1, nil
		default:
			b.WriteByte(text[i])
		}
	}
	return token{}, 0, errSQL
}

// lexDollar reads $1, or a string in dollar quotes.
func lexDollar(text string, i int) (token, int, error) {
	end := i + 1
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if end > i+1 {
		return token{tokenParam, text[i+1 : end]}, end, nil
	}
	for end < len(text) && (isWordByte(text[end]) || isDigit(text[end])) {
		end++
	}
	if end >= len(text) || text[end] != '$' {
		return token{}, 0, errSQL
	}
	mark := text[i : end+1]
	body, _, ok := strings.Cut(text[end+1:], mark)
	if !ok {
		return token{}, 0, errSQL
	}
	return token{tokenString, body}, end + 1 + len(body) + len(mark), nil
}

// signAt returns the operator or mark at the front of a text.
func signAt(text string) string {
	if strings.HasPrefix(text, "::") || strings.HasPrefix(text, ":=") {
		return text[:2]
	}
	const operators = "+-*/<>=~!@#%^&|`?"
	end := 0
	for end < len(text) && strings.IndexByte(operators, text[end]) >= 0 {
		end++
		if strings.HasPrefix(text[end:], "--") || strings.HasPrefix(text[end:], "/*") {
			break
		}
	}
	return text[:max(end, 1)]
}
