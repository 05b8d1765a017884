package protect

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/moat-db/moat/catalog"
)

// maxName is NAMEDATALEN - 1: PostgreSQL cuts longer names, and two that were cut
// to the same bytes collide.
const maxName = 63

func ident(name string) string { return catalog.QuoteIdent(name) }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

func literal(s string) string { return catalog.QuoteLiteral(s) }

// name joins parts with _ into one identifier. What does not fit is cut and gets
// eight digits of the whole name's hash, so that the result is the same in every
// run and different names stay different.
func name(parts ...string) string {
	whole := strings.Join(parts, "_")
	if len(whole) <= maxName {
		return whole
	}
	sum := sha256.Sum256([]byte(whole))
	cut := whole[:maxName-9]
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + "_" + hex.EncodeToString(sum[:4])
}

// free returns the first of base, base_1, base_2 … that is not taken.
func free(base string, taken func(string) bool) string {
	candidate := base
	for i := 1; taken(candidate); i++ {
		candidate = name(base, "m", itoa(i))
	}
	return candidate
}

// tag returns a dollar quote that body does not contain.
func tag(body string) string {
	t := "$moat$"
	for strings.Contains(body, t) {
		t = "$" + strings.Trim(t, "$") + "_$"
	}
	return t
}

func dollar(body string) string { t := tag(body); return t + body + t }
