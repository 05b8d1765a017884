package policy

import (
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// spelled brings an expression into one spelling: without what the server adds when it
// prints one (parentheses, casts of literals to text, names of a subquery's columns), and
// with the setting where sealed mode has a function.
func (v *View) spelled(text string) string { return v.unsealed(plainWords(text)) }

func plainWords(text string) string {
	var words []string
	tokens := sqltext.Code(text)
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case t.Is("("), t.Is(")"):
		case t.Is("as") && i+1 < len(tokens):
			i++
		case t.Is("::") && i+1 < len(tokens) && isText(tokens[i+1:]) > 0:
			i += isText(tokens[i+1:])
		case t.IsName():
			words = append(words, sqltext.Ident(t.Name()))
		default:
			words = append(words, t.Text)
		}
	}
	return strings.Join(words, " ")
}

// isText is of how many words the name of a type of text, or of arrays of it, is, 0 for other
// types.
func isText(tokens []sqltext.Token) int {
	words := 0
	switch {
	case tokens[0].Is("text"), tokens[0].Is("name"), tokens[0].Is("varchar"):
		words = 1
	case tokens[0].Is("character") && len(tokens) > 1 && tokens[1].Is("varying"):
		words = 2
	default:
		return 0
	}
	if rest := tokens[words:]; len(rest) > 1 && rest[0].Is("[") && rest[1].Is("]") {
		words += 2 // a domain of text, or one with a length, is compared with an array as a text
	}
	return words
}

// unsealed puts the settings in the place of sealed mode's functions.
func (v *View) unsealed(spelled string) string {
	setting := func(name string) string { return plainWords(Tenant(name, "text")) }
	subject, role := v.Facts()
	// An empty role is none, so that policies may read it bare.
	bare := plainWords("current_setting(" + sqltext.Literal(role) + ", true)")
	return strings.NewReplacer(
		plainWords(SealedTenantCall()), setting(v.Model.Setting),
		plainWords(SealedFact("subject")), setting(subject),
		plainWords(SealedFact("issuer")), setting(v.IssuerSetting()),
		setting(role), bare, plainWords(SealedFact("role")), bare).Replace(spelled)
}
