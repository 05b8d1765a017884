package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	tenantA  = "0b7d1f0e-6a53-4c0f-9a43-0d6f1a2b3c4d"
	tenantB  = "9f8e7d6c-5b4a-4392-8170-a1b2c3d4e5f6"
	issuerA  = "https://a.example"
	issuerB  = "https://b.example"
	audience = "moat"
	secretA  = "0123456789abcdef0123456789abcdef-a"
	secretB  = "0123456789abcdef0123456789abcdef-b"
)

// testKeys are made once: an RSA key takes longer than all the rest together.
type testKeys struct {
	rsa, rsa2  *rsa.PrivateKey
	p256, p384 *ecdsa.PrivateKey
	p521       *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}

var keysOnce = sync.OnceValue(func() testKeys {
	var k testKeys
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.rsa2, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p521, _ = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	return k
})

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) in(d time.Duration) int64 { return c.now().Add(d).Unix() }

// goodClaims are accepted by the verifiers of these tests.
func goodClaims(c *clock) map[string]any {
	return map[string]any{
		"iss": issuerA, "aud": audience, "sub": "user-1", "role": "editor", "tenant_id": tenantA,
		"iat": c.in(-time.Minute), "nbf": c.in(-time.Minute), "exp": c.in(time.Hour),
	}
}

// with returns the claims with some set, and those set to nil taken out.
func with(claims map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(claims)
	for name, v := range changes {
		if v == nil {
			delete(out, name)
			continue
		}
		out[name] = v
	}
	return out
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge writes a token from the exact text of its parts, so that a test can write
// what no library would.
func forge(header, payload string, method jwt.SigningMethod, key any) string {
	input := b64(header) + "." + b64(payload)
	signature, err := method.Sign(input, key)
	if err != nil {
		panic(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// sign writes an ordinary token; kid may be empty.
func sign(method jwt.SigningMethod, key any, kid string, claims map[string]any) string {
	header := map[string]any{"alg": method.Alg(), "typ": "JWT"}
	if kid != "" {
		header["kid"] = kid
	}
	return forge(text(header), text(claims), method, key)
}

func publicPEM(key any) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func privatePEM(key any) Secret {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// jwk writes one key of a set.
func jwk(key any, kid, alg string) jwkset.JWKMarshal {
	m, err := publicJWK(key)
	if err != nil {
		panic(err)
	}
	m.KID, m.ALG = kid, jwkset.ALG(alg)
	return m
}

func jwks(keys ...jwkset.JWKMarshal) string { return text(jwkset.JWKSMarshal{Keys: keys}) }

func newVerifier(t testing.TB, config Config) *Verifier {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	v, err := New(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func accepts(t testing.TB, v *Verifier, token string) Identity {
	t.Helper()
	id, err := v.Verify(context.Background(), token)
	if err != nil {
		t.Fatalf("a good token is refused: %v", err)
	}
	return id
}

// refuses checks that the token is refused, and for the reason the test is about.
func refuses(t testing.TB, v *Verifier, token string, reason Reason, check string) {
	t.Helper()
	for range 2 { // the second time something might have been remembered
		id, err := v.Verify(context.Background(), token)
		var refused *TokenError
		if !errors.As(err, &refused) {
			t.Fatalf("token accepted as %+v, error %v", id, err)
		}
		if refused.Reason != reason || refused.Check != check {
			t.Fatalf("refused as %q (%s), want %q (%s)", refused.Reason, refused.Check, reason, check)
		}
		if id.Tenant != "" || id.Claims != nil {
			t.Fatal("a refused token left an identity")
		}
	}
}
