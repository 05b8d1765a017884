package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat"
)

// FuzzVerify checks that no input makes Verify panic, and that whatever it accepts is
// signed by the key of the issuer it names, checked here without the JWT library.
func FuzzVerify(f *testing.F) {
	c := newClock()
	seed := sha256.Sum256([]byte("a key that is the same in every worker"))
	key := ed25519.NewKeyFromSeed(seed[:])
	v, err := New(context.Background(), Config{Now: c.now, CacheSize: 100, Issuers: []IssuerConfig{
		{Issuer: issuerA, Audience: []string{audience}, Secret: secretA},
		{Issuer: issuerB, Audience: []string{audience}, PEM: publicPEM(key.Public())},
	}})
	if err != nil {
		f.Fatal(err)
	}
	good := goodClaims(c)
	f.Add(hs256(good))
	f.Add(sign(jwt.SigningMethodEdDSA, key, "ed", with(good, map[string]any{"iss": issuerB})))
	for _, group := range [][]hostile{
		hostileAlgorithms(good), hostileKeyIDs(good), hostileHeaders(good),
		hostileTimes(c, good), hostileNames(good), hostileForms(good), hostileTenants(good),
	} {
		for _, h := range group {
			if len(h.token) < 4096 {
				f.Add(h.token)
			}
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		for range 2 { // verified, then perhaps remembered
			id, err := v.Verify(context.Background(), token)
			if err == nil {
				checkAccepted(t, token, id, key.Public().(ed25519.PublicKey))
			}
		}
		// The same text as a payload that is signed: nothing of it may panic, and the
		// identity must hold what every reader of the payload sees.
		if len(token) < 4096 {
			signed := forge(`{"alg":"HS256"}`, token, jwt.SigningMethodHS256, []byte(secretA))
			if id, err := v.Verify(context.Background(), signed); err == nil {
				checkAccepted(t, signed, id, nil)
			}
		}
	})
}

func checkAccepted(t *testing.T, token string, id Identity, public ed25519.PublicKey) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("accepted %d parts", len(parts))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	input := []byte(parts[0] + "." + parts[1])
	switch id.Issuer {
	case issuerA:
		mac := hmac.New(sha256.New, []byte(secretA))
		mac.Write(input)
		if !hmac.Equal(signature, mac.Sum(nil)) {
			t.Fatalf("accepted a token that A did not sign: %q", token)
		}
	case issuerB:
		if !ed25519.Verify(public, input, signature) {
			t.Fatalf("accepted a token that B did not sign: %q", token)
		}
	default:
		t.Fatalf("accepted issuer %q", id.Issuer)
	}
	var payload map[string]any
	if err := json.Unmarshal(id.Claims, &payload); err != nil {
		t.Fatal(err)
	}
	tenant, err := single(payload["tenant_id"])
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := tenant.(string); !ok || payload["iss"] != id.Issuer || !strings.EqualFold(name, string(id.Tenant)) {
		t.Fatalf("identity %+v differs from the payload %s", id, id.Claims)
	}
	if err := moat.UUID.Validate(id.Tenant); err != nil {
		t.Fatal(err)
	}
}
