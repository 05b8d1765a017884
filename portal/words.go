package portal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// humanize turns a name of the database into words: lead_events is Lead events.
func humanize(name string) string {
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

// humanizeColumn drops the endings that say only what type a column has.
func humanizeColumn(name string) string {
	if short := strings.TrimSuffix(strings.TrimSuffix(name, "_at"), "_ts"); short != name && short != "" {
		return humanize(short)
	}
	return humanize(name)
}

// singular makes one of many, for English plurals that follow the rules.
func singular(title string) string {
	switch {
	case strings.HasSuffix(title, "ies") && len(title) > 4:
		return strings.TrimSuffix(title, "ies") + "y"
	case strings.HasSuffix(title, "sses"), strings.HasSuffix(title, "xes"), strings.HasSuffix(title, "ches"), strings.HasSuffix(title, "shes"):
		return strings.TrimSuffix(title, "es")
	case strings.HasSuffix(title, "ss"), strings.HasSuffix(title, "us"), strings.HasSuffix(title, "is"):
		return title
	}
	return strings.TrimSuffix(title, "s")
}

// lower starts a title in lower case, for the middle of a sentence; SKU stays SKU.
func lower(title string) string {
	first, n := utf8.DecodeRuneInString(title)
	if second, _ := utf8.DecodeRuneInString(title[n:]); unicode.IsUpper(second) {
		return title
	}
	return string(unicode.ToLower(first)) + title[n:]
}

func unquote(name string) string {
	if len(name) > 1 && name[0] == '"' {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}
