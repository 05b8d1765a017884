package auth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat"
)

func issuer1(change func(*IssuerConfig)) Config {
	ic := IssuerConfig{Issuer: issuerA, Audience: []string{audience}, Secret: secretA}
	if change != nil {
		change(&ic)
	}
	return Config{Issuers: []IssuerConfig{ic}}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	k := keysOnce()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keyed := func(change func(*IssuerConfig)) Config {
		return issuer1(func(ic *IssuerConfig) { ic.Secret = ""; change(ic) })
	}
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"no issuers", Config{}, "no issuer is configured"},
		{"no issuer", issuer1(func(ic *IssuerConfig) { ic.Issuer = "" }), "issuers[0]: no issuer"},
		{"no audience", issuer1(func(ic *IssuerConfig) { ic.Audience = nil }), "issuers[0] (https://a.example): no audience"},
		{"empty audience", issuer1(func(ic *IssuerConfig) { ic.Audience = []string{audience, ""} }), "no audience"},
		{"no key", keyed(func(*IssuerConfig) {}), "issuers[0] (https://a.example): no key"},
		{"two keys", issuer1(func(ic *IssuerConfig) { ic.JWKSFile = "x" }), "several keys"},
		{"two issuers of one name", Config{Issuers: append(issuer1(nil).Issuers, issuer1(nil).Issuers...)},
			"issuers[1] (https://a.example): the same issuer as issuers[0]"},
		{"leeway", issuer1(func(ic *IssuerConfig) { ic.Leeway = time.Hour }), "leeway 1h0m0s is more than 5m0s"},
		{"tenant type", Config{TenantType: "numeric", Issuers: issuer1(nil).Issuers}, `tenant type "numeric"`},
		{"cache age", Config{CacheMaxAge: -1, Issuers: issuer1(nil).Issuers}, "cache max age is negative"},
		{"algorithm none", issuer1(func(ic *IssuerConfig) { ic.Algorithms = []string{"none"} }),
			`algorithm "none" is not supported`},
		{"short secret", issuer1(func(ic *IssuerConfig) { ic.Secret = Secret(secretA[:31]) }),
			"the secret has 31 bytes, HS256 needs at least 32"},
		{"short for HS384", issuer1(func(ic *IssuerConfig) {
			ic.Algorithms = []string{"HS384"}
			ic.Secret = Secret(
				strings.Repeat("s", 47))
		}), "has 47 bytes, HS384 needs at least 48"},
		{"short for HS512", issuer1(func(ic *IssuerConfig) {
			ic.Algorithms = []string{"HS512"}
			ic.Secret = Secret(
				strings.Repeat("s", 63))
		}), "has 63 bytes, HS512 needs at least 64"},
		{"RS256 with a secret", issuer1(func(ic *IssuerConfig) { ic.Algorithms = []string{"RS256"} }),
			"RS256 does not fit a secret"},
		{"HS256 with a public key", keyed(func(ic *IssuerConfig) {
			ic.PEM = publicPEM(k.rsa.Public())
			ic.Algorithms = []string{"HS256"}
		}), "HS256 does not fit the key"},
		{"ES384 with P-256", keyed(func(ic *IssuerConfig) {
			ic.PEM = publicPEM(k.p256.Public())
			ic.Algorithms = []string{"ES384"}
		}), "ES384 does not fit the key"},
		{"weak RSA key", keyed(func(ic *IssuerConfig) { ic.PEM = publicPEM(small.Public()) }), "RSA of 2048 bits"},
		{"private key", keyed(func(ic *IssuerConfig) { ic.PEM = string(privatePEM(k.rsa)) }),
			"only the public key is needed"},
		{"two public keys", keyed(func(ic *IssuerConfig) { ic.PEM = publicPEM(k.rsa.Public()) + publicPEM(k.rsa2.Public()) }),
			"more than one PEM block"},
		{"no PEM", keyed(func(ic *IssuerConfig) { ic.PEM = "x" }), "no PEM block"},
		{"PEM file missing", keyed(func(ic *IssuerConfig) { ic.PEMFile = "/nonexistent/key.pem" }), "/nonexistent/key.pem"},
		{"secret file empty", keyed(func(ic *IssuerConfig) { ic.SecretFile = file("\n") }), "the secret has 0 bytes"},
		{"JWKS file without keys", keyed(func(ic *IssuerConfig) { ic.JWKSFile = file(`{"keys":[]}`) }),
			"no usable signing key"},
		{"JWKS file that is none", keyed(func(ic *IssuerConfig) { ic.JWKSFile = file(`{}`) }), `no member "keys"`},
		{"JWKS without kid", keyed(func(ic *IssuerConfig) { ic.JWKSFile = file(jwks(jwk(k.rsa.Public(), "", ""))) }),
			"no usable signing key with a kid"},
		{"JWKS over http", keyed(func(ic *IssuerConfig) { ic.JWKSURL = "http://id.example/jwks" }), "must be https"},
		{"JWKS of a file", keyed(func(ic *IssuerConfig) { ic.JWKSURL = "file:///etc/passwd" }), "address"},
		{"JWKS with a password", keyed(func(ic *IssuerConfig) { ic.JWKSURL = "https://u:hunter2@id.example/jwks" }),
			"holds a user name or password"},
		{"JWKS URL with a secret's algorithm", keyed(func(ic *IssuerConfig) {
			ic.JWKSURL = "https://id.example"
			ic.Algorithms = []string{"HS256"}
		}), "a URL must not serve"},
		{"discovery over http", keyed(func(ic *IssuerConfig) { ic.Issuer = "http://id.example"; ic.Discovery = true }),
			"must be https"},
		{"discovery of a word", keyed(func(ic *IssuerConfig) { ic.Issuer = "moat"; ic.Discovery = true }), "address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := New(context.Background(), tt.config)
			if err == nil {
				t.Fatalf("accepted: %v", v)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			for _, secret := range []string{secretA[:20], "hunter2", "PRIVATE"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error %q shows key material", err)
				}
			}
		})
	}
}

func TestNewReportsEveryIssuer(t *testing.T) {
	t.Parallel()
	_, err := New(context.Background(), Config{Issuers: []IssuerConfig{
		{Audience: []string{audience}, Secret: secretA},
		{Issuer: issuerB, Secret: secretB},
	}})
	for _, want := range []string{"issuers[0]: no issuer", "issuers[1] (https://b.example): no audience"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestSecretDoesNotShowItself(t *testing.T) {
	t.Parallel()
	config := issuer1(nil)
	for _, shown := range []string{
		fmt.Sprint(config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), text(config.Issuers[0].Secret),
	} {
		if strings.Contains(shown, secretA) {
			t.Errorf("the secret shows: %s", shown)
		}
	}
}

// Every algorithm signs and verifies, and with a key of its own only.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	k := keysOnce()
	secret := []byte(strings.Repeat("k", 64))
	keys := map[string]struct {
		private any
		public  any
	}{
		"HS256": {secret, nil}, "HS384": {secret, nil}, "HS512": {secret, nil},
		"RS256": {k.rsa, k.rsa.Public()}, "RS384": {k.rsa, k.rsa.Public()}, "RS512": {k.rsa, k.rsa.Public()},
		"PS256": {k.rsa, k.rsa.Public()}, "PS384": {k.rsa, k.rsa.Public()}, "PS512": {k.rsa, k.rsa.Public()},
		"ES256": {k.p256, k.p256.Public()}, "ES384": {k.p384, k.p384.Public()}, "ES512": {k.p521, k.p521.Public()},
		"EdDSA": {k.ed, k.ed.Public()},
	}
	if len(keys) != len(allAlgorithms()) {
		t.Fatalf("%d algorithms tested of %d", len(keys), len(allAlgorithms()))
	}
	for alg, key := range keys {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			config := issuer1(func(ic *IssuerConfig) {
				ic.Algorithms = []string{alg}
				ic.Secret = Secret(secret)
				if key.public != nil {
					ic.Secret, ic.PEM = "", publicPEM(key.public)
				}
			})
			config.Now = c.now
			v := newVerifier(t, config)
			accepts(t, v, sign(jwt.GetSigningMethod(alg), key.private, "any", goodClaims(c)))
			for other, otherKey := range keys {
				if other != alg {
					refuses(t, v, sign(jwt.GetSigningMethod(other), otherKey.private, "", goodClaims(c)), Invalid, "signature")
				}
			}
		})
	}
}

func TestIdentityAndScope(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now = c.now
	v := newVerifier(t, config)
	claims := goodClaims(c)
	id := accepts(t, v, hs256(claims))
	if id.Tenant != tenantA || id.Subject != "user-1" || id.Role != "editor" || id.Issuer != issuerA {
		t.Errorf("identity %+v", id)
	}
	if !id.Expires.Equal(c.now().Add(time.Hour)) || string(id.Claims) != text(claims) {
		t.Errorf("expires %v, claims %s", id.Expires, id.Claims)
	}
	if s := id.Scope(); s.Tenant != tenantA || s.Subject != "user-1" || s.Role != "editor" ||
		string(s.Claims) != text(claims) {
		t.Errorf("scope %+v", s)
	}
	upper := accepts(t, v, hs256(with(claims, map[string]any{"tenant_id": strings.ToUpper(tenantA)})))
	if upper.Tenant != tenantA {
		t.Errorf("a uuid in upper case is another tenant: %s", upper.Tenant)
	}
	bare := accepts(t, v, hs256(with(claims, map[string]any{"sub": nil, "role": nil, "nbf": nil, "iat": nil})))
	if bare.Subject != "" || bare.Role != "" {
		t.Errorf("bare identity %+v", bare)
	}
	accepts(t, v, hs256(with(claims, map[string]any{"aud": []string{"other", audience}})))
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	c := newClock()
	for _, tt := range []struct {
		leeway, late time.Duration
		good         bool
	}{
		{0, 29 * time.Second, true}, {0, 31 * time.Second, false},
		{-1, -time.Second, true}, {-1, 0, false},
		{5 * time.Minute, 299 * time.Second, true}, {5 * time.Minute, 301 * time.Second, false},
	} {
		config := issuer1(func(ic *IssuerConfig) { ic.Leeway = tt.leeway })
		config.Now = c.now
		v := newVerifier(t, config)
		token := hs256(with(goodClaims(c), map[string]any{"exp": c.in(-tt.late)}))
		if tt.good {
			accepts(t, v, token)
			continue
		}
		refuses(t, v, token, Expired, "exp")
	}
}

func TestTenantTypes(t *testing.T) {
	t.Parallel()
	c := newClock()
	for _, tt := range []struct {
		tenantType moat.TenantType
		claim      string
		want       moat.Tenant // empty: refused
	}{
		{moat.BigInt, `42`, "42"}, {moat.BigInt, `"42"`, "42"}, {moat.BigInt, `-7`, "-7"},
		{moat.BigInt, `9007199254740993`, "9007199254740993"}, // 2^53+1, which a float64 rounds
		{moat.BigInt, `9223372036854775807`, "9223372036854775807"},
		{moat.BigInt, `9223372036854775808`, ""}, {moat.BigInt, `42.0`, ""}, {moat.BigInt, `4.2e1`, ""},
		{moat.BigInt, `-0`, ""}, {moat.BigInt, `"042"`, ""}, {moat.BigInt, `"+42"`, ""}, {moat.BigInt, `" 42"`, ""},
		{moat.BigInt, `"0x2a"`, ""}, {moat.BigInt, `"4_2"`, ""}, {moat.BigInt, `""`, ""}, {moat.BigInt, `[42]`, "42"},
		{moat.BigInt, `[42, 43]`, ""},
		{moat.Integer, `2147483647`, "2147483647"}, {moat.Integer, `2147483648`, ""},
		{moat.Text, `"acme"`, "acme"}, {moat.Text, `"Ünïcode"`, "Ünïcode"}, {moat.Text, `"42"`, "42"},
		{moat.Text, `42`, ""}, {moat.Text, `" acme"`, ""}, {moat.Text, `"\t"`, ""}, {moat.Text, `"\u00a0"`, ""},
		{moat.Text, `false`, ""},
		{moat.UUID, `"` + tenantA + `"`, tenantA}, {moat.UUID, `42`, ""},
	} {
		config := issuer1(nil)
		config.Now, config.TenantType = c.now, tt.tenantType
		v := newVerifier(t, config)
		payload := strings.Replace(text(with(goodClaims(c), map[string]any{"tenant_id": "TENANT"})), `"TENANT"`, tt.claim, 1)
		token := forge(`{"alg":"HS256"}`, payload, jwt.SigningMethodHS256, []byte(secretA))
		if tt.want == "" {
			refuses(t, v, token, NoTenant, "tenant claim")
			continue
		}
		if id := accepts(t, v, token); id.Tenant != tt.want {
			t.Errorf("%s %s: tenant %q", tt.tenantType, tt.claim, id.Tenant)
		}
	}
}

func TestTenantClaimPath(t *testing.T) {
	t.Parallel()
	c := newClock()
	type object = map[string]any
	for _, tt := range []struct {
		name, path string
		claims     object
		want       moat.Tenant // empty: refused
	}{
		{"plain", "org", object{"org": tenantB}, tenantB},
		{"dotted", "app_metadata.tenant_id", object{"app_metadata": object{"tenant_id": tenantB}}, tenantB},
		{"three deep", "a.b.c", object{"a": object{"b": object{"c": tenantB}}}, tenantB},
		{"URL", "https://example.com/tenant", object{"https://example.com/tenant": tenantB}, tenantB},
		{"literal before dotted", "a.b", object{"a.b": tenantB, "a": object{"b": tenantA}}, tenantB},
		{"literal that is wrong hides the dotted", "a.b", object{"a.b": 1, "a": object{"b": tenantA}}, ""},
		{"user_metadata is not app_metadata", "app_metadata.tenant_id",
			object{"user_metadata": object{"tenant_id": tenantB}}, ""},
		{"not from the default name", "app_metadata.tenant_id", object{"app_metadata": object{}}, ""},
		{"way through a string", "a.b", object{"a": tenantB}, ""},
		{"way through an array", "a.0", object{"a": []string{tenantB}}, ""},
		{"an object at the end", "a", object{"a": object{"b": tenantB}}, ""},
		{"other case", "Org", object{"org": tenantB}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := issuer1(func(ic *IssuerConfig) { ic.TenantClaim = tt.path })
			config.Now = c.now
			v := newVerifier(t, config)
			token := hs256(with(goodClaims(c), tt.claims))
			if tt.want == "" {
				refuses(t, v, token, NoTenant, "tenant claim")
				return
			}
			if id := accepts(t, v, token); id.Tenant != tt.want {
				t.Errorf("tenant %s", id.Tenant)
			}
		})
	}
}

func TestRoleAndSubjectClaims(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(func(ic *IssuerConfig) { ic.RoleClaim, ic.SubjectClaim = "app.role", "https://example.com/user" })
	config.Now = c.now
	id := accepts(t, newVerifier(t, config), hs256(with(goodClaims(c), map[string]any{
		"app": map[string]any{"role": "admin"}, "https://example.com/user": "u9",
	})))
	if id.Role != "admin" || id.Subject != "u9" {
		t.Errorf("identity %+v", id)
	}
}

func TestAllowWithoutTenant(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(func(ic *IssuerConfig) { ic.TenantClaim = "app.tenant" })
	config.Now, config.AllowWithoutTenant = c.now, true
	v := newVerifier(t, config)
	good := goodClaims(c)
	for _, claims := range []map[string]any{good, with(good, map[string]any{"app": map[string]any{}})} {
		if id := accepts(t, v, hs256(claims)); id.Tenant != "" || id.Subject != "user-1" {
			t.Errorf("identity %+v", id)
		}
	}
	var null any
	for _, wrong := range []any{null, "", "x", 1, []string{}, []string{tenantA, tenantA}, map[string]any{}} {
		refuses(t, v, hs256(with(good, map[string]any{"app": map[string]any{"tenant": wrong}})), NoTenant, "tenant claim")
	}
	refuses(t, v, hs256(with(good, map[string]any{"app": "x"})), NoTenant, "tenant claim")
}
