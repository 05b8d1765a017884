package text

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Name turns a name of the database into words: lead_events is Lead events.
func Name(name string) string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		switch {
		case r == '_' || r == '-' || r == '.':
			r = ' '
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
		before = r
	}
	words := strings.Fields(b.String())
	for i, w := range words {
		switch strings.ToLower(w) {
		case "id", "url", "ip", "api", "sku", "vat", "iban", "crm", "utm":
			words[i] = strings.ToUpper(w)
		}
	}
	text := strings.Join(words, " ")
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return name
	}
	return string(unicode.ToUpper(first)) + text[n:]
}

// Column drops the endings that say only what type a column has.
func Column(name string) string {
	if short := strings.TrimSuffix(strings.TrimSuffix(name, "_at"), "_ts"); short != name && short != "" {
		return Name(short)
	}
	return Name(name)
}

// Singular makes one of many, for English plurals that follow the rules.
func Singular(title string) string {
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(strings.ToLower(title), s) })
	}
	switch {
	case ends("series", "news", "species", "ss", "us", "is"):
		return title
	case ends("ies") && len(title) > 4:
		return title[:len(title)-3] + "y"
	case ends("sses", "xes", "ches", "shes"):
		return title[:len(title)-2]
	}
	return strings.TrimSuffix(title, "s")
}

// Lower starts a title in lower case, for the middle of a sentence; SKU stays SKU.
func Lower(title string) string {
	first, n := utf8.DecodeRuneInString(title)
	if second, _ := utf8.DecodeRuneInString(title[n:]); n == 0 || unicode.IsUpper(second) {
		return title
	}
	return string(unicode.ToLower(first)) + title[n:]
}

// Clip cuts text to n letters.
func Clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
