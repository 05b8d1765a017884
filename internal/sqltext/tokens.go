// Package sqltext cuts SQL text into tokens as PostgreSQL's lexer does: strings with
// their escapes, dollar quotes, quoted identifiers and nested comments. It knows no
// grammar and cannot fail: what is unterminated runs to the end of the text.
package sqltext

import (
	"iter"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// Kind says what a Token is.
type Kind int

// The kinds of token. White space is left out.
const (
	None    Kind = iota // no token: what stands before the first and after the last
	Word                // identifier or keyword, as written
	Quoted              // "identifier"
	String              // 'text', E'text', $tag$text$tag$
	Number              // 12, 1.5e3
	Param               // $1
	Comment             // -- line, /* block */
	Symbol              // a mark, ( ) , ; . [ ], or an operator: = ->> :: :=
)

// Token is a piece of the text: text[Pos:End].
type Token struct {
	Kind     Kind
	Text     string
	Pos, End int
}

// Is reports whether the token is this word, whatever its case, or this symbol. A quoted
// identifier is never a keyword.
func (t Token) Is(text string) bool {
	return t.Kind == Word && strings.EqualFold(t.Text, text) || t.Kind == Symbol && t.Text == text
}

// IsName reports whether the token can be an identifier.
func (t Token) IsName() bool { return t.Kind == Word || t.Kind == Quoted }

// Name returns the identifier that a word or quoted token stands for.
func (t Token) Name() string {
	if t.Kind == Quoted {
		text := strings.TrimSuffix(strings.TrimPrefix(t.Text, `"`), `"`)
		return strings.ReplaceAll(text, `""`, `"`)
	}
	return strings.ToLower(t.Text)
}

// Plain reports whether [Token.Value] is all that a string says: no prefix gives escapes
// or bits another meaning.
func (t Token) Plain() bool {
	if t.Kind != String {
		return false
	}
	first := t.Text[0]
	return first == '\'' || first == '$' || first|32 == 'e' && !strings.Contains(t.Text, `\`)
}

// Value returns what a string token says, without quotes; escapes stay as written.
func (t Token) Value() string {
	if i := strings.IndexByte(t.Text, '\''); i >= 0 && i <= 2 && t.Text[0] != '$' {
		return strings.ReplaceAll(strings.TrimSuffix(t.Text[i+1:], "'"), "''", "'")
	}
	if tag := dollarTag(t.Text); tag != "" {
		return strings.TrimSuffix(t.Text[len(tag):], tag)
	}
	return t.Text
}

// Scan returns the tokens of text, comments included.
func Scan(text string) []Token { return slices.Collect(Tokens(text)) }

// Tokens yields the tokens of text one by one, comments included, for readers that
// need the first few.
func Tokens(text string) iter.Seq[Token] {
	return func(yield func(Token) bool) {
		for i := 0; i < len(text); {
			c := text[i]
			if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' {
				i++
				continue
			}
			kind, end := next(text, i)
			if !yield(Token{Kind: kind, Text: text[i:end], Pos: i, End: end}) {
				return
			}
			i = end
		}
	}
}

// Code returns the tokens of text without the comments.
func Code(text string) []Token {
	return list.Filter(Scan(text), func(t Token) bool { return t.Kind != Comment })
}

// next returns the kind and the end of the token that starts at i.
func next(text string, i int) (Kind, int) {
	rest := text[i:]
	switch c := text[i]; {
	case strings.HasPrefix(rest, "--"):
		return Comment, i + lineEnd(rest)
	case strings.HasPrefix(rest, "/*"):
		return Comment, i + blockEnd(rest)
	case c == '\'':
		return String, i + quoteEnd(rest, '\'', false)
	case c == '"':
		return Quoted, i + quoteEnd(rest, '"', false)
	case c == '$':
		if tag := dollarTag(rest); tag != "" {
			return String, i + dollarEnd(rest, tag)
		}
		if n := span(rest[1:], isDigit); n > 0 {
			return Param, i + 1 + n
		}
		return Symbol, i + 1
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return Number, i + number(rest)
	case isWordStart(c):
		return word(rest, i)
	}
	return Symbol, i + symbol(rest)
}

// number ends a number. Two dots after one belong to a range of PL/pgSQL's FOR.
func number(rest string) int {
	n := span(rest, isNumber)
	if dots := strings.Index(rest[:n], ".."); dots > 0 {
		return dots
	}
	return n
}

// symbol ends a mark or an operator. As in PostgreSQL, an operator of several
// characters ends in + or - only when it has one of those that no SQL operator has:
// a=-1 is a = -1.
func symbol(rest string) int {
	for _, mark := range []string{"::", ":=", ".."} {
		if strings.HasPrefix(rest, mark) {
			return len(mark)
		}
	}
	n := span(rest, func(c byte) bool { return strings.IndexByte("+-*/<>=~!@#%^&|`?", c) >= 0 })
	for _, comment := range []string{"--", "/*"} {
		if at := strings.Index(rest[:n], comment); at > 0 {
			n = at
		}
	}
	for n > 1 && (rest[n-1] == '+' || rest[n-1] == '-') && !strings.ContainsAny(rest[:n], "~!@#%^&|`?") {
		n--
	}
	return max(n, 1)
}

// word ends a word, or a string or identifier that a letter introduces: E”, B”,
// X”, N”, U&” and U&"".
func word(rest string, i int) (Kind, int) {
	n := span(rest, isWord)
	after := rest[n:]
	one := strings.ToLower(rest[:n])
	switch {
	case one == "e" && strings.HasPrefix(after, "'"):
		return String, i + n + quoteEnd(after, '\'', true)
	case (one == "b" || one == "x" || one == "n") && strings.HasPrefix(after, "'"):
		return String, i + n + quoteEnd(after, '\'', false)
	case one == "u" && strings.HasPrefix(after, "&'"):
		return String, i + n + 1 + quoteEnd(after[1:], '\'', false)
	case one == "u" && strings.HasPrefix(after, `&"`):
		return Quoted, i + n + 1 + quoteEnd(after[1:], '"', false)
	}
	return Word, i + n
}

func lineEnd(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n
	}
	return len(s)
}

// blockEnd ends a comment that may hold others.
func blockEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func quoteEnd(s string, quote byte, backslash bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

// dollarTag returns the opening "$tag$" at the start of s, "" where there is none.
func dollarTag(s string) string {
	if s == "" || s[0] != '$' {
		return ""
	}
	n := 1
	if n < len(s) && isWordStart(s[n]) {
		n += span(s[n:], func(c byte) bool { return isWord(c) && c != '$' })
	}
	if n < len(s) && s[n] == '$' {
		return s[:n+1]
	}
	return ""
}

func dollarEnd(s, tag string) int {
	if n := strings.Index(s[len(tag):], tag); n >= 0 {
		return n + 2*len(tag)
	}
	return len(s)
}

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isNumber(c byte) bool { return isDigit(c) || c == '.' || c == '_' || c|32 >= 'a' && c|32 <= 'z' }
func isWordStart(c byte) bool {
	return c == '_' || c|32 >= 'a' && c|32 <= 'z' || c >= 0x80
}
func isWord(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }
