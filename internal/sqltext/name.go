package sqltext

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// maxName is NAMEDATALEN - 1: PostgreSQL cuts longer names, and two that were cut
// to the same bytes collide.
const maxName = 63

// Name joins parts with _ into one identifier. What does not fit is cut and gets
// eight digits of the whole name's hash, so that the result is the same in every
// run and different names stay different.
func Name(parts ...string) string {
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

// Dollar puts a body between dollar quotes that it does not contain, nor completes: one
// that ends in $moat would end at the first sign of the closing quote.
func Dollar(body string) string {
	tag := "$moat$"
	for strings.Index(body+tag, tag) < len(body) {
		tag = "$" + strings.Trim(tag, "$") + "_$"
	}
	return tag + body + tag
}
