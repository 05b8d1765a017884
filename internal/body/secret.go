package body

import (
	"regexp"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// KeepsSecret reports whether a body hashes or signs with a string constant that looks
// like a key.
func (u *Uses) KeepsSecret() bool {
	if !u.Mentions("sha224", "sha256", "sha384", "sha512", "hmac", "digest", "sign",
		"verify", "crypt", "md5", "pgp_sym_encrypt", "pgp_sym_decrypt", "encrypt", "decrypt") {
		return false
	}
	for i, t := range u.Tokens {
		if t.Kind != sqltext.String || i > 0 && u.At(i-1).Is("search_path") || u.At(i-2).Is("errcode") {
			continue
		}
		if v := t.Value(); len(v) >= 6 && !plainWord(v) && !knownArgument(u, i, v) {
			return true
		}
	}
	return false
}

// knownArgument reports whether a string is the argument of a call whose first argument
// is not a secret: current_setting('app.sig'), encode(…, 'hex'), hmac(…, 'sha256').
func knownArgument(u *Uses, i int, v string) bool {
	if name := u.At(i - 2).Name(); u.At(i-1).Text == "(" && (name == "current_setting" || name == "format") {
		return true
	}
	return settingName.MatchString(v)
}

var (
	settingName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$`)
	plainWords  = []string{"hex", "base64", "escape", "sha1", "sha224", "sha256", "sha384",
		"sha512", "md5", "utf8", "utf-8", "hs256", "hs384", "hs512"}
)

// plainWord reports whether a string is an encoding, an algorithm, or prose.
func plainWord(v string) bool {
	for _, w := range plainWords {
		if strings.EqualFold(v, w) {
			return true
		}
	}
	return strings.ContainsAny(v, " %") // a message or a format, not a key
}

// SecretName reports whether a setting is called as secrets are.
func SecretName(name string) bool {
	name = strings.ToLower(name)
	for _, w := range []string{"secret", "password", "private_key", "signing_key", "hmac", "jwt_key"} {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}
