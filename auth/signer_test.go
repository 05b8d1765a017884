package auth

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func signerFor(t *testing.T, c *clock, change func(*SignerConfig)) *Signer {
	t.Helper()
	config := SignerConfig{Key: secretA, Issuer: issuerA, Audience: audience, Now: c.now}
	if change != nil {
		change(&config)
	}
	s, err := NewSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the signer signs the verifier accepts, for each kind of key, by key and by set.
func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	sec1, err := x509.MarshalECPrivateKey(k.p384)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, algorithm string
		key             Secret
		public          any
	}{
		{"HS256", "", secretA, nil},
		{"HS512", "HS512", Secret(strings.Repeat("s", 64)), nil},
		{"RS256", "", privatePEM(k.rsa), k.rsa.Public()},
		{"PS384", "PS384", privatePEM(k.rsa), k.rsa.Public()},
		{"RSA PKCS1", "", Secret(pem.EncodeToMemory(
			&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k.rsa)})), k.rsa.Public()},
		{"ES256", "", privatePEM(k.p256), k.p256.Public()},
		{"ES384 SEC1", "ES384", Secret(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), k.p384.Public()},
		{"EdDSA", "EdDSA", privatePEM(k.ed), k.ed.Public()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := signerFor(t, c, func(sc *SignerConfig) { sc.Key, sc.Algorithm = tt.key, tt.algorithm })
			token, err := s.Sign(Identity{Tenant: tenantA, Subject: "u", Role: "admin"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			for _, config := range issuersFor(t, s, tt.key, tt.public, tt.algorithm) {
				config.Now = c.now
				id := accepts(t, newVerifier(t, config), token)
				if id.Tenant != tenantA || id.Subject != "u" || id.Role != "admin" || !id.Expires.Equal(c.now().Add(time.Hour)) {
					t.Errorf("identity %+v", id)
				}
			}
		})
	}
}

func issuersFor(t *testing.T, s *Signer, key Secret, public any, algorithm string) []Config {
	var algorithms []string
	if algorithm != "" {
		algorithms = []string{algorithm}
	}
	if public == nil {
		return []Config{issuer1(func(ic *IssuerConfig) { ic.Secret, ic.Algorithms = key, algorithms })}
	}
	set, err := s.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, set, 0o600); err != nil {
		t.Fatal(err)
	}
	return []Config{
		issuer1(func(ic *IssuerConfig) { ic.Secret, ic.PEM, ic.Algorithms = "", publicPEM(public), algorithms }),
		issuer1(func(ic *IssuerConfig) { ic.Secret, ic.JWKSFile = "", path }),
	}
}

func TestSignClaims(t *testing.T) {
	t.Parallel()
	c := newClock()
	for _, path := range []string{"tenant_id", "app_metadata.tenant_id", "https://example.com/tenant"} {
		s := signerFor(t, c, func(sc *SignerConfig) { sc.TenantClaim = path })
		config := issuer1(func(ic *IssuerConfig) { ic.TenantClaim = path })
		config.Now = c.now
		// The extra claims name another tenant in every way, and another issuer.
		extra := text(map[string]any{
			path: tenantB, "app_metadata": map[string]any{"tenant_id": tenantB, "plan": "gold"}, "iss": "x", "aud": "x",
			"exp": 1, "nbf": c.in(time.Hour), "sub": "x", "role": "x", "email": "a@example.com",
			"big": json.Number("9007199254740993"),
		})
		token, err := s.Sign(Identity{Tenant: tenantA, Claims: json.RawMessage(extra)}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		id := accepts(t, newVerifier(t, config), token)
		if id.Tenant != tenantA || id.Subject != "" || id.Role != "" {
			t.Errorf("%s: identity %+v", path, id)
		}
		for _, want := range []string{`"email":"a@example.com"`, `"plan":"gold"`, `"big":9007199254740993`} {
			if !strings.Contains(string(id.Claims), want) {
				t.Errorf("%s: claims %s lack %s", path, id.Claims, want)
			}
		}
	}
}

func TestSignWithoutTenant(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now, config.AllowWithoutTenant = c.now, true
	s := signerFor(t, c, func(sc *SignerConfig) { sc.TenantClaim, sc.RoleClaim = "a.b", "c.d" })
	token, err := s.Sign(Identity{Subject: "u"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if id := accepts(t, newVerifier(t, config), token); id.Tenant != "" || strings.Contains(string(id.Claims), `"a"`) {
		t.Errorf("identity %+v, claims %s", id, id.Claims)
	}
	for _, ttl := range []time.Duration{0, -time.Hour, time.Millisecond} {
		if _, err := s.Sign(Identity{Tenant: tenantA}, ttl); err == nil {
			t.Errorf("signed for %s", ttl)
		}
	}
	if _, err := s.Sign(Identity{Claims: json.RawMessage(`[]`)}, time.Hour); err == nil {
		t.Error("signed claims that are no object")
	}
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	k := keysOnce()
	for name, config := range map[string]SignerConfig{
		"no key":              {Issuer: issuerA, Audience: audience},
		"no issuer":           {Key: secretA, Audience: audience},
		"no audience":         {Key: secretA, Issuer: issuerA},
		"short secret":        {Key: Secret(secretA[:31]), Issuer: issuerA, Audience: audience},
		"public key":          {Key: Secret(publicPEM(k.rsa.Public())), Issuer: issuerA, Audience: audience},
		"damaged PEM":         {Key: "-----BEGIN PRIVATE KEY-----\nAAAA", Issuer: issuerA, Audience: audience},
		"HS256 with a key":    {Key: privatePEM(k.rsa), Algorithm: "HS256", Issuer: issuerA, Audience: audience},
		"RS256 with a secret": {Key: secretA, Algorithm: "RS256", Issuer: issuerA, Audience: audience},
		"ES256 with P-384":    {Key: privatePEM(k.p384), Algorithm: "ES256", Issuer: issuerA, Audience: audience},
		"none":                {Key: secretA, Algorithm: "none", Issuer: issuerA, Audience: audience},
	} {
		if _, err := NewSigner(config); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), secretA[:20]) {
			t.Errorf("%s: error %q shows the key", name, err)
		}
	}
}

func TestSecretIsNotPublished(t *testing.T) {
	t.Parallel()
	if set, err := signerFor(t, newClock(), nil).JWKS(); err == nil {
		t.Errorf("published %s", set)
	}
}

// The examples of RFC 7638, 3.1 and RFC 8037, A.3.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF" +
		"V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZ" +
		"Hzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a" +
		"wapJzKnqDKgw"
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		t.Fatal(err)
	}
	x, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string]any{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537},
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": ed25519.PublicKey(x),
	} {
		if got, err := thumbprint(key); got != want || err != nil {
			t.Errorf("thumbprint %s, %v, want %s", got, err, want)
		}
	}
}
