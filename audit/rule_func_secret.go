package audit

import (
	"regexp"
	"strings"

	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleFuncSecret = Rule{
	ID: "func-secret", Severity: Critical, Holes: []string{"V19"},
	Title: "A function or a stored setting contains a secret",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, fn := range f.userFunctions {
			if !keepsSecret(f.body(fn)) {
				continue
			}
			out = append(out, onFunction(fn,
				"Every role can read the key in pg_proc and use it to sign for any tenant.",
				"Everyone who can connect can read the body of a function.").
				decide("Move the key to a table that only the function's owner can read, and read it in a SECURITY DEFINER "+
					"function. Then use a new key, because this one is known."))
		}
		for _, s := range f.s.Stored {
			if secretName(s.Name) && s.Value != "" {
				out = append(out, f.onDatabase(
					"Every role can read the key in pg_db_role_setting and use it to sign for any tenant.",
					"Everyone who can connect can read the stored setting "+s.Name+".").
					decide("Move the key to a table that only the owner of a SECURITY DEFINER function can read, and reset %s. "+
						"Then use a new key, because this one is known.", s.Name))
			}
		}
		return out
	},
}

// keepsSecret reports whether a body hashes or signs with a string constant that looks
// like a key.
func keepsSecret(b *body.Uses) bool {
	if !b.Mentions("sha224", "sha256", "sha384", "sha512", "hmac", "digest", "sign",
		"verify", "crypt", "md5", "pgp_sym_encrypt", "pgp_sym_decrypt", "encrypt", "decrypt") {
		return false
	}
	for i, t := range b.Tokens {
		if t.Kind != sqltext.String || i > 0 && b.At(i-1).Is("search_path") {
			continue
		}
		if v := t.Value(); len(v) >= 6 && !plainWord(v) && !knownArgument(b, i, v) {
			return true
		}
	}
	return false
}

// knownArgument reports whether a string is the argument of a call whose first argument
// is not a secret: current_setting('app.sig'), encode(…, 'hex'), hmac(…, 'sha256').
func knownArgument(b *body.Uses, i int, v string) bool {
	if name := b.At(i - 2).Name(); b.At(i-1).Text == "(" && (name == "current_setting" || name == "format") {
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

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, w := range []string{"secret", "password", "private_key", "signing_key", "hmac", "jwt_key"} {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}
