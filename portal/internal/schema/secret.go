package schema

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Veil stands in the place of a password's hash or a token.
const Veil = "••••••"

// secretWords name what nobody is to see: not the client whose row it is, since whoever looks
// over its shoulder, or has its session for a minute, would keep it.
var secretWords = []string{"password", "passwords", "passwd", "passphrase", "pwd", "secret", "secrets", "token",
	"tokens", "credential", "credentials", "jwt", "otp", "totp", "salt", "apikey"}

// secretPairs are secret where their words stand side by side.
var secretPairs = []string{"api key", "private key", "access key", "signing key", "encryption key", "recovery code",
	"recovery codes", "backup codes", "key hash", "pin hash", "pass hash", "encrypted pass"}

// secret says whether a column holds a password, its hash or a token, by its name. What can
// hold none of them, such as a count or a date, is none.
func secret(name string, kind Kind) bool {
	switch kind {
	case KindText, KindBytes, KindUUID, KindJSON, KindOther:
	default:
		return false
	}
	words := wordsOf(name)
	inPairs := func(pair string) bool { return strings.Contains(" "+strings.Join(words, " ")+" ", " "+pair+" ") }
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(secretWords, w) }) ||
		slices.ContainsFunc(secretPairs, inPairs)
}

// wordsOf takes a name of the database apart: resetToken2 is reset and token.
func wordsOf(name string) []string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			b.WriteByte(' ')
		}
		before = r
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return !unicode.IsLetter(r) })
}

// shapes are what hashes of passwords, tokens and private keys look like, also cut short.
var shapes = regexp.MustCompile(strings.Join([]string{
	`\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{16,}`,
	`\$(?:argon2(?:id|i|d)|scrypt|bcrypt-sha256|pbkdf2[a-z0-9-]*|y|gy)\$\S{8,}`,
	`\$[156]\$[^$\s]{1,60}\$[./A-Za-z0-9]{16,}`,
	`(?:pbkdf2_sha\d+|argon2|bcrypt_sha256|bcrypt|scrypt)\$\S{16,}`,
	`pbkdf2:sha\d+:\d+\$\S{16,}`, `scrypt:\d+:\d+:\d+\$\S{16,}`,
	`\{(?:SSHA|SHA|SMD5|CRYPT|PBKDF2)[^}\s]{0,12}\}\S{16,}`, `SCRAM-SHA-\d+\$\S{16,}`,
	`eyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?`,
	`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`,
	`\b[sr]k_(?:live|test)_\w{16,}`, `\bsk-[\w-]{32,}`, `\bgh[pousr]_\w{30,}`, `\bgithub_pat_\w{20,}`,
	`\bglpat-[\w-]{20,}`, `\bxox[abeprs]-[\w-]{10,}`, `\bAKIA[0-9A-Z]{16}\b`, `\bAIza[\w-]{35}`, `\bmoat_[\w-]{43}`,
}, "|"))

// beginnings are in every shape that has no dollar or brace: looking for them is cheap, and a
// file has millions of values.
var beginnings = []string{"eyJ", "-----BEGIN", "sk_", "rk_", "sk-", "ghp_", "gho_", "ghu_",
	"ghs_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA", "AIza", "moat_"}

// named are values of a JSON object whose keys are those of secrets.
var named = regexp.MustCompile(`(?i)("[^"]*(?:password|passwd|passphrase|secret|token|api_?key|private_?key)[^"]*"` +
	`\s*:\s*)("(?:[^"\\]|\\.)*"?|-?\d[\d.]*)`)

// Veiled puts the veil over what looks like a secret in what a row is called.
func Veiled(text string) string { return veiled(text, KindText) }

// Veiled puts the veil over what looks like a secret in a value of the column.
func (c *Column) Veiled(value string) string { return veiled(value, c.Kind) }

// veiled puts the veil over what looks like a secret, whatever its column is called.
func veiled(value string, kind Kind) string {
	switch kind {
	case KindText, KindJSON, KindOther:
	default:
		return value
	}
	if !strings.ContainsAny(value, "${") && !slices.ContainsFunc(beginnings, func(b string) bool {
		return strings.Contains(value, b)
	}) {
		return value
	}
	if strings.Contains(value, `":`) || kind == KindJSON {
		value = named.ReplaceAllString(value, `${1}"`+Veil+`"`)
	}
	return shapes.ReplaceAllString(value, Veil)
}
