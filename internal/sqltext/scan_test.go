package sqltext_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/sqltext"
)

// Tokens end where PostgreSQL's do: that is what tells a comment from an operator, a
// sign from one, and a string's end from a quote in it.
func TestCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a.b::text[] := "C""d" -- x`:             `a . b :: text [ ] := "C""d"`,
		`a=-1`:                                   `a = - 1`,
		`a@-1`:                                   `a @- 1`,
		`j->>'x'->'y'`:                           `j ->> 'x' -> 'y'`,
		`j ? 'a' AND j@>'{}'`:                    `j ? 'a' AND j @> '{}'`,
		`1--2` + "\n" + `+/*/* */*/3`:            `1 + 3`,
		`a<>b!=c<=d`:                             `a <> b != c <= d`,
		`$1||$2.x`:                               `$1 || $2 . x`,
		`1..10, .5, 1.5e3`:                       `1 .. 10 , .5 , 1.5e3`,
		`E'it\'s' 'it''s' U&'x' $q$a$$b$q$ b'1'`: `E'it\'s' 'it''s' U&'x' $q$a$$b$q$ b'1'`,
		`$ x`:                                    `$ x`,
	} {
		var got []string
		for _, token := range sqltext.Code(text) {
			got = append(got, token.Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", text, got, want)
		}
	}
}

// What a token stands for: the identifier, and the string where no escape hides it.
func TestTokenMeaning(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		name, value string
		plain       bool
	}{
		`Abc`:       {name: "abc", value: "Abc"},
		`"A""b"`:    {name: `A"b`, value: `"A""b"`},
		`""""`:      {name: `"`, value: `""""`},
		`'it''s'`:   {name: `'it''s'`, value: "it's", plain: true},
		`E'a'`:      {name: `e'a'`, value: "a", plain: true},
		`E'\x41'`:   {name: `e'\x41'`, value: `\x41`},
		`U&'\0041'`: {name: `u&'\0041'`, value: `\0041`},
		`b'1'`:      {name: `b'1'`, value: "1"},
		`$q$a'b$q$`: {name: `$q$a'b$q$`, value: "a'b", plain: true},
	} {
		token := sqltext.Scan(text)[0]
		if token.Text != text || token.Name() != want.name || token.Value() != want.value || token.Plain() != want.plain {
			t.Errorf("%s: name %s, value %s, plain %v", text, token.Name(), token.Value(), token.Plain())
		}
	}
	if (sqltext.Token{}).Plain() || (sqltext.Token{}).IsName() || (sqltext.Token{}).Is("") {
		t.Error("no token is something")
	}
	word, quoted, symbol := sqltext.Scan("SeLect")[0], sqltext.Scan(`"select"`)[0], sqltext.Scan("->>")[0]
	if !word.Is("select") || quoted.Is("select") || !symbol.Is("->>") {
		t.Error("key words and symbols")
	}
}
