package auth

import (
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// hostileIssuers are issuers with one key of each kind, all under the same clock.
func hostileIssuers(t *testing.T, c *clock) *Verifier {
	k := keysOnce()
	set := filepath.Join(t.TempDir(), "jwks.json")
	content := jwks(jwk(k.rsa.Public(), "rsa", "RS256"), jwk(k.p256.Public(), "ec", ""), jwk(k.ed.Public(), "ed", ""))
	if err := os.WriteFile(set, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	aud := []string{audience}
	return newVerifier(t, Config{Now: c.now, Issuers: []IssuerConfig{
		{Issuer: issuerA, Audience: aud, Secret: secretA},
		{Issuer: issuerB, Audience: aud, Secret: secretB},
		{Issuer: "rsa", Audience: aud, PEM: publicPEM(k.rsa.Public())},
		{Issuer: "ec", Audience: aud, PEM: publicPEM(k.p256.Public())},
		{Issuer: "ec384", Audience: aud, PEM: publicPEM(k.p384.Public())},
		{Issuer: "set", Audience: aud, JWKSFile: set},
	}})
}

// hostile is a token that must be refused, and why.
type hostile struct {
	name   string
	token  string
	reason Reason
	check  string
}

func TestHostileTokens(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := hostileIssuers(t, c)
	k := keysOnce()

	// What the hostile tokens are made from is accepted, so each is refused for
	// what it changes.
	good := goodClaims(c)
	accepts(t, v, hs256(good))
	accepts(t, v, sign(jwt.SigningMethodRS256, k.rsa, "", with(good, map[string]any{"iss": "rsa"})))
	accepts(t, v, sign(jwt.SigningMethodES256, k.p256, "", with(good, map[string]any{"iss": "ec"})))
	accepts(t, v, sign(jwt.SigningMethodRS256, k.rsa, "rsa", with(good, map[string]any{"iss": "set"})))
	accepts(t, v, sign(jwt.SigningMethodES256, k.p256, "ec", with(good, map[string]any{"iss": "set"})))
	accepts(t, v, sign(jwt.SigningMethodEdDSA, k.ed, "ed", with(good, map[string]any{"iss": "set"})))

	groups := [][]hostile{
		hostileAlgorithms(good), hostileKeyIDs(good), hostileHeaders(good),
		hostileTimes(c, good), hostileNames(good), hostileForms(good), hostileTenants(good),
	}
	for _, group := range groups {
		for _, h := range group {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				refuses(t, v, h.token, h.reason, h.check)
			})
		}
	}
}

func hs256(claims map[string]any) string {
	return sign(jwt.SigningMethodHS256, []byte(secretA), "", claims)
}

func hostileAlgorithms(good map[string]any) []hostile {
	k := keysOnce()
	rsaClaims, ecClaims := with(good, map[string]any{"iss": "rsa"}), with(good, map[string]any{"iss": "ec"})
	public := publicPEM(k.rsa.Public())
	block, _ := pem.Decode([]byte(public))
	none := func(alg string) string {
		return b64(`{"alg":"`+alg+`","typ":"JWT"}`) + "." + b64(text(good)) + "."
	}
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	ecInput := b64(`{"alg":"ES256"}`) + "." + b64(text(ecClaims)) + "."
	return []hostile{
		{"alg none", none("none"), Invalid, "signature"},
		{"alg None", none("None"), Invalid, "key"},
		{"alg none with a signature", none("none") + zero, Invalid, "signature"},
		{"alg of lower case", forge(`{"alg":"hs256"}`, text(good), jwt.SigningMethodHS256, []byte(secretA)), Invalid, "key"},
		{"alg empty", none(""), Invalid, "key"},
		{"alg missing", forge(`{"typ":"JWT"}`, text(good), jwt.SigningMethodHS256, []byte(secretA)), Invalid, "alg"},
		{"alg not a string", forge(`{"alg":["HS256"]}`, text(good), jwt.SigningMethodHS256, []byte(secretA)), Invalid, "alg"},
		{"HS256 keyed with the public key as PEM", sign(jwt.SigningMethodHS256, []byte(public), "", rsaClaims), Invalid,
			"signature"},
		{"HS256 keyed with the public key as DER", sign(jwt.SigningMethodHS256, block.Bytes, "", rsaClaims), Invalid,
			"signature"},
		{"HS256 keyed with the public key, by kid",
			sign(jwt.SigningMethodHS256, []byte(public), "rsa", with(good, map[string]any{"iss": "set"})), Invalid, "key"},
		{"HS256 keyed with the empty secret", sign(jwt.SigningMethodHS256, []byte{}, "", good), Invalid, "signature"},
		{"HS512 with the HS256 secret", sign(jwt.SigningMethodHS512, []byte(secretA), "", good), Invalid, "signature"},
		{"RS384 with an RS256 key", sign(jwt.SigningMethodRS384, k.rsa, "", rsaClaims), Invalid, "signature"},
		{"PS256 with an RS256 key", sign(jwt.SigningMethodPS256, k.rsa, "", rsaClaims), Invalid, "signature"},
		{"RS384 with an RS256 key of a set",
			sign(jwt.SigningMethodRS384, k.rsa, "rsa", with(good, map[string]any{"iss": "set"})), Invalid, "key"},
		{"PS256 with an RS256 key of a set",
			sign(jwt.SigningMethodPS256, k.rsa, "rsa", with(good, map[string]any{"iss": "set"})), Invalid, "key"},
		{"wrong RSA key", sign(jwt.SigningMethodRS256, k.rsa2, "", rsaClaims), Invalid, "signature"},
		{"wrong secret", sign(jwt.SigningMethodHS256, []byte(secretB), "", good), Invalid, "signature"},
		{"ES256 with a zero signature", ecInput + zero, Invalid, "signature"},
		{"ES256 with an empty signature", ecInput, Invalid, "signature"},
		{"ES256 claimed for a P-384 key", b64(`{"alg":"ES256"}`) + "." +
			b64(text(with(good, map[string]any{"iss": "ec384"}))) + "." + zero, Invalid, "signature"},
	}
}

func hostileKeyIDs(good map[string]any) []hostile {
	k := keysOnce()
	set := with(good, map[string]any{"iss": "set"})
	return []hostile{
		{"no kid with a key set", sign(jwt.SigningMethodRS256, k.rsa, "", set), Invalid, "key"},
		{"empty kid", forge(`{"alg":"RS256","kid":""}`, text(set), jwt.SigningMethodRS256, k.rsa), Invalid, "key"},
		{"unknown kid", sign(jwt.SigningMethodRS256, k.rsa, "other", set), Invalid, "key"},
		{"kid that is a path", sign(jwt.SigningMethodRS256, k.rsa, "../../dev/null", set), Invalid, "key"},
		{"kid is a number", forge(`{"alg":"RS256","kid":1}`, text(set), jwt.SigningMethodRS256, k.rsa), Invalid, "kid"},
		{"kid is null", forge(`{"alg":"RS256","kid":null}`, text(set), jwt.SigningMethodRS256, k.rsa), Invalid, "kid"},
		{"kid is an object", forge(`{"alg":"RS256","kid":{"kid":"rsa"}}`, text(set), jwt.SigningMethodRS256, k.rsa),
			Invalid, "kid"},
		{"kid of a key of another type", sign(jwt.SigningMethodRS256, k.rsa, "ec", set), Invalid, "key"},
		{"EdDSA with the kid of an RSA key", sign(jwt.SigningMethodEdDSA, k.ed, "rsa", set), Invalid, "key"},
		{"kid of another key of the same type", sign(jwt.SigningMethodRS256, k.rsa2, "rsa", set), Invalid, "signature"},
	}
}

func hostileHeaders(good map[string]any) []hostile {
	k := keysOnce()
	rsaText := text(with(good, map[string]any{"iss": "rsa"}))
	// The token brings the key it is signed with, or says where to fetch it.
	own := func(member, value string) string {
		return forge(`{"alg":"RS256","`+member+`":`+value+`}`, rsaText, jwt.SigningMethodRS256, k.rsa2)
	}
	hs := func(header string) string {
		return forge(header, text(good), jwt.SigningMethodHS256, []byte(secretA))
	}
	return []hostile{
		{"embedded jwk", own("jwk", text(jwk(k.rsa2.Public(), "", ""))), Invalid, "signature"},
		{"jku", own("jku", `"http://127.0.0.1:1/jwks.json"`), Invalid, "signature"},
		{"x5u", own("x5u", `"http://127.0.0.1:1/cert.pem"`), Invalid, "signature"},
		{"x5c", own("x5c", `["MIIB"]`), Invalid, "signature"},
		{"unknown crit", hs(`{"alg":"HS256","crit":["x"],"x":1}`), Invalid, "crit"},
		{"crit b64", hs(`{"alg":"HS256","crit":["b64"],"b64":false}`), Invalid, "crit"},
		{"crit empty", hs(`{"alg":"HS256","crit":[]}`), Invalid, "crit"},
		{"crit null", hs(`{"alg":"HS256","crit":null}`), Invalid, "crit"},
		{"two alg", hs(`{"alg":"none","alg":"HS256"}`), Invalid, "header"},
		{"header not an object", hs(`["HS256"]`), Invalid, "header"},
		{"header null", hs(`null`), Invalid, "header"},
		{"typ of a logout token", hs(`{"alg":"HS256","typ":"logout+jwt"}`), Invalid, "typ"},
		{"typ of a proof", hs(`{"alg":"HS256","typ":"application/DPoP+JWT"}`), Invalid, "typ"},
		{"typ not a string", hs(`{"alg":"HS256","typ":1}`), Invalid, "typ"},
	}
}

func hostileTimes(c *clock, good map[string]any) []hostile {
	raw := func(exp string) string {
		payload := strings.Replace(text(with(good, map[string]any{"exp": "EXP"})), `"EXP"`, exp, 1)
		return forge(`{"alg":"HS256"}`, payload, jwt.SigningMethodHS256, []byte(secretA))
	}
	set := func(name string, v any) string { return hs256(with(good, map[string]any{name: v})) }
	return []hostile{
		{"expired", set("exp", c.in(-time.Minute)), Expired, "exp"},
		{"expired to the second beyond the leeway", set("exp", c.in(-DefaultLeeway)), Expired, "exp"},
		{"exp zero", raw("0"), Expired, "exp"},
		{"no exp", set("exp", nil), Invalid, "claims"},
		{"exp null", raw("null"), Invalid, "claims"},
		{"exp a string", raw(`"1999999999"`), Invalid, "claims"},
		{"exp negative", raw("-1"), Invalid, "claims"},
		{"exp beyond any calendar", raw("1e300"), Invalid, "claims"},
		{"exp infinite", raw("1e999"), Invalid, "claims"},
		{"exp that wraps around", raw("18446744073709551616"), Invalid, "claims"},
		{"exp an array", raw("[1999999999]"), Invalid, "claims"},
		{"exp true", raw("true"), Invalid, "claims"},
		{"not yet valid", set("nbf", c.in(time.Minute)), NotYetValid, "nbf"},
		{"nbf a string", set("nbf", "0"), Invalid, "claims"},
		{"issued in the far future", set("iat", c.in(24*time.Hour)), IssuedLater, "iat"},
		{"iat an object", set("iat", map[string]any{}), Invalid, "claims"},
		{"EXP in upper case", hs256(with(good, map[string]any{"exp": nil, "EXP": c.in(time.Hour)})), Invalid, "claims"},
		{"expired for another audience", hs256(with(good, map[string]any{"exp": c.in(-time.Hour), "aud": "x"})),
			Audience, "aud"},
	}
}

func hostileNames(good map[string]any) []hostile {
	set := func(name string, v any) string { return hs256(with(good, map[string]any{name: v})) }
	return []hostile{
		{"no iss", set("iss", nil), Invalid, "issuer"},
		{"unknown iss", set("iss", "https://c.example"), Invalid, "issuer"},
		{"iss with a slash more", set("iss", issuerA+"/"), Invalid, "issuer"},
		{"iss in upper case", set("iss", strings.ToUpper(issuerA)), Invalid, "issuer"},
		{"iss an array", set("iss", []string{issuerA}), Invalid, "issuer"},
		{"signed by B, says A", sign(jwt.SigningMethodHS256, []byte(secretB), "", good), Invalid, "signature"},
		{"signed by A, says B", set("iss", issuerB), Invalid, "signature"},
		{"no aud", set("aud", nil), Invalid, "claims"},
		{"aud empty", set("aud", ""), Invalid, "claims"},
		{"aud wrong", set("aud", "other"), Audience, "aud"},
		{"aud a prefix", set("aud", audience+"-admin"), Audience, "aud"},
		{"aud an array of others", set("aud", []string{"x", "y"}), Audience, "aud"},
		{"aud an empty array", set("aud", []string{}), Invalid, "claims"},
		{"aud an array with a number", set("aud", []any{audience, 1}), Invalid, "claims"},
		{"aud an object", set("aud", map[string]any{audience: true}), Invalid, "claims"},
		{"sub a number", set("sub", 7), Invalid, "subject claim"},
		{"sub too long", set("sub", strings.Repeat("x", maxNameBytes+1)), Invalid, "subject claim"},
		{"role an array", set("role", []string{"editor", "admin"}), Invalid, "role claim"},
	}
}

func hostileForms(good map[string]any) []hostile {
	token := hs256(good)
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	raw := func(payload string) string {
		return forge(`{"alg":"HS256"}`, payload, jwt.SigningMethodHS256, []byte(secretA))
	}
	body := text(good)
	open := strings.TrimSuffix(body, "}")
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	return []hostile{
		{"trailing garbage", token + "x", Invalid, "signature"},
		{"trailing words", token + " x", Invalid, "form"},
		{"trailing part", token + ".e30", Invalid, "form"},
		{"both dots missing", header + payload + signature, Invalid, "form"},
		{"one dot missing", header + "." + payload, Invalid, "form"},
		{"only dots", "..", Invalid, "header"},
		{"padding", header + "." + payload + "." + signature + "=", Invalid, "form"},
		{"line break", header + ".\n" + payload + "." + signature, Invalid, "form"},
		{"leading blank", " " + token, Invalid, "form"},
		{"zero byte", token + "\x00", Invalid, "form"},
		{"standard base64", header + "." + payload + "." + "+/" + signature, Invalid, "form"},
		{"spare bits in the signature", header + "." + payload + "." + spareBits(signature), Invalid, "form"},
		{"changed payload", header + "." + b64(strings.Replace(body, tenantA, tenantB, 1)) + "." + signature, Invalid,
			"signature"},
		{"oversized", hs256(with(good, map[string]any{"x": strings.Repeat("x", maxTokenBytes)})), Invalid, "size"},
		{"payload an array", raw("[" + body + "]"), Invalid, "payload"},
		{"payload null", raw("null"), Invalid, "payload"},
		{"payload a string", raw(`"x"`), Invalid, "payload"},
		{"payload empty", raw(""), Invalid, "payload"},
		{"garbage after the payload", raw(body + "{}"), Invalid, "payload"},
		{"two tenants", raw(open + `,"tenant_id":"` + tenantB + `"}`), Invalid, "payload"},
		{"two tenants, one escaped", raw(open + `,"tenant\u005fid":"` + tenantB + `"}`), Invalid, "payload"},
		{"two exp", raw(open + `,"exp":9999999999}`), Invalid, "payload"},
		{"two members deep inside", raw(open + `,"app":[{"t":1,"t":2}]}`), Invalid, "payload"},
		{"invalid UTF-8", raw(open + ",\"x\":\"\xff\"}"), Invalid, "payload"},
		{"invalid UTF-8 in a name", raw(open + ",\"tenant_id\xc0\":\"x\"}"), Invalid, "payload"},
		{"lone surrogate", raw(open + `,"x":"\ud800"}`), Invalid, "payload"},
		{"surrogates the wrong way round", raw(open + `,"x":"\udc00\ud800"}`), Invalid, "payload"},
		{"escaped zero", raw(open + `,"x":"a\u0000"}`), Invalid, "payload"},
		{"nested beyond measure", raw(open + `,"x":` + deep + `}`), Invalid, "payload"},
	}
}

// spareBits sets the unused bits of the last character, which a lenient decoder
// ignores: 32 bytes leave two of them in 43 characters.
func spareBits(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(signature) - 1
	return signature[:last] + string(alphabet[strings.IndexByte(alphabet, signature[last])+1])
}

func hostileTenants(good map[string]any) []hostile {
	raw := func(value string) string {
		payload := strings.Replace(text(with(good, map[string]any{"tenant_id": "TENANT"})), `"TENANT"`, value, 1)
		return forge(`{"alg":"HS256"}`, payload, jwt.SigningMethodHS256, []byte(secretA))
	}
	var all []hostile
	for name, value := range map[string]string{
		"null": "null", "empty": `""`, "blank": `" "`, "true": "true", "a number": "42",
		"two of a list":  `["` + tenantA + `","` + tenantA + `"]`,
		"an empty array": "[]", "an object": `{"id":"` + tenantA + `"}`, "padded": `" ` + tenantA + `"`,
		"a line break after it": `"` + tenantA + `\n"`, "braced": `"{` + tenantA + `}"`, "not a uuid": `"acme"`,
		"two in one": `"` + tenantA + `,` + tenantB + `"`, "SQL": `"' OR true --"`,
		"full-width digits": `"０b7d1f0e-6a53-4c0f-9a43-0d6f1a2b3c4d"`,
	} {
		all = append(all, hostile{"tenant " + name, raw(value), NoTenant, "tenant claim"})
	}
	return append(all, hostile{"tenant missing", hs256(with(good, map[string]any{"tenant_id": nil})), NoTenant,
		"tenant claim"})
}
