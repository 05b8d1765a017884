// Package english writes the small words of messages: one place knows how a count reads.
package english

import (
	"strconv"
	"strings"
)

// Count returns a number with its noun: "1 row", "2 rows", "3 policies". The plural is
// the noun with s, or with ies for a consonant and y; many says an irregular one.
func Count[N int | int64](n N, noun string, many ...string) string {
	return strconv.FormatInt(int64(n), 10) + " " + Plural(n, noun, many...)
}

// Plural returns the noun alone, as it stands behind the number n.
func Plural[N int | int64](n N, noun string, many ...string) string {
	switch stem, y := strings.CutSuffix(noun, "y"); {
	case n == 1:
		return noun
	case len(many) > 0:
		return many[0]
	case y && !strings.ContainsAny(stem[len(stem)-1:], "aeiou"):
		return stem + "ies"
	}
	return noun + "s"
}

// Or lists alternatives: "a", "a or b", "a, b or c".
func Or(words []string) string { return list(words, " or ") }

// And lists what goes together: "a", "a and b", "a, b and c".
func And(words []string) string { return list(words, " and ") }

func list(words []string, between string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + between + words[last]
}
