package auth

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat/internal/webaddress"
)

// Some promises are kept twice, and a test of the whole cannot tell when one of the two
// is gone. These tests look at each layer alone.

// issuerOf returns the one issuer of the verifier, without what Verify does before it.
func issuerOf(t *testing.T, v *Verifier) *issuer {
	t.Helper()
	for _, is := range v.issuers {
		return is
	}
	t.Fatal("no issuer")
	return nil
}

// parseAlone runs the parser of an issuer, and nothing that comes before or after it.
func parseAlone(t *testing.T, is *issuer, token string) error {
	t.Helper()
	_, c, err := decodeToken(token)
	if err != nil {
		t.Fatal(err)
	}
	_, err = is.parser.ParseWithClaims(token, c, is.keys.keyfunc(context.Background()))
	return err
}

// The parser refuses by itself what the choice of the issuer and the reading of the
// identity would refuse too: whoever changes these must not lose it.
func TestParserAlone(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now = c.now
	is := issuerOf(t, newVerifier(t, config))
	set := func(name string, v any) string { return hs256(with(goodClaims(c), map[string]any{name: v})) }
	if err := parseAlone(t, is, hs256(goodClaims(c))); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"another issuer":       {set("iss", issuerB), jwt.ErrTokenInvalidIssuer},
		"no issuer":            {set("iss", nil), jwt.ErrTokenRequiredClaimMissing},
		"another audience":     {set("aud", "x"), jwt.ErrTokenInvalidAudience},
		"no audience":          {set("aud", nil), jwt.ErrTokenRequiredClaimMissing},
		"no expiry":            {set("exp", nil), jwt.ErrTokenRequiredClaimMissing},
		"issued in the future": {set("iat", c.in(time.Hour)), jwt.ErrTokenUsedBeforeIssued},
		"another algorithm": {sign(jwt.SigningMethodHS512, []byte(secretA), "", goodClaims(c)),
			jwt.ErrTokenSignatureInvalid},
	} {
		if err := parseAlone(t, is, tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// An identity has an end, whatever the parser was told to let through.
func TestIdentityAlone(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now = c.now
	is := issuerOf(t, newVerifier(t, config))
	for name, exp := range map[string]any{"absent": nil, "a string": "1999999999"} {
		_, endless, err := decodeToken(hs256(with(goodClaims(c), map[string]any{"exp": exp})))
		if err != nil {
			t.Fatal(err)
		}
		if id, err := is.identity(endless); err == nil {
			t.Errorf("exp %s: an identity that ends at %v", name, id.Expires)
		}
	}
}

// A key is used with the algorithm that its JWK declares and no other, even when the
// configuration accepts both and the key itself would do.
func TestDeclaredAlgorithmOfAKey(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "rs", "RS256"), jwk(k.rsa.Public(), "ps", "PS256"),
		jwk(k.rsa.Public(), "any", "")))
	config := s.config(c)
	config.Issuers[0].Algorithms = []string{"RS256", "PS256"}
	v := newVerifier(t, config)
	rs, ps := jwt.SigningMethodRS256, jwt.SigningMethodPS256
	for _, tt := range []struct {
		method jwt.SigningMethod
		kid    string
		good   bool
	}{
		{rs, "rs", true}, {ps, "ps", true}, {rs, "any", true}, {ps, "any", true},
		{ps, "rs", false}, {rs, "ps", false},
	} {
		token := sign(tt.method, k.rsa, tt.kid, goodClaims(c))
		if tt.good {
			accepts(t, v, token)
			continue
		}
		refuses(t, v, token, Invalid, "key")
	}
}

// A set whose keys are all declared for something else has no key to start with: the
// server says so at once, instead of refusing every token later.
func TestKeysDeclaredForSomethingElse(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	for name, tt := range map[string]struct {
		declared string
		accepted []string
	}{
		"encryption":            {"RSA-OAEP", nil},
		"another type of key":   {"ES256", nil},
		"an unknown algorithm":  {"XS256", nil},
		"one that is not taken": {"PS256", []string{"RS256"}},
	} {
		s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", tt.declared)))
		config := s.config(c)
		config.Issuers[0].Algorithms = tt.accepted
		if _, err := New(context.Background(), config); err == nil ||
			!strings.Contains(err.Error(), "no usable signing key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// endless answers with a body that has no end within reason, and counts what is taken.
type endless struct{ taken atomic.Int64 }

const endlessBytes = 64 * maxFetchBytes

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.NopCloser(io.LimitReader(e, endlessBytes))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: body}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.taken.Add(int64(len(p)))
	return len(p), nil
}

// Whoever serves the keys cannot fill the memory: reading stops at the bound, and not
// only after everything was read.
func TestFetchStopsReading(t *testing.T) {
	t.Parallel()
	e := &endless{}
	_, err := fetch(context.Background(), webaddress.Client(&http.Client{Transport: e}), "https://id.example/jwks")
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("error %v", err)
	}
	if n := e.taken.Load(); n > maxFetchBytes+1 {
		t.Errorf("%d bytes were taken, the bound is %d", n, maxFetchBytes)
	}
}

// The bound is on what arrives in memory, not on the wire: a small compressed answer
// that unfolds is stopped as well.
func TestFetchStopsUnfolding(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.CopyN(w, &endless{}, 2*maxFetchBytes); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}))
	t.Cleanup(s.Close)
	_, err := fetch(context.Background(), webaddress.Client(nil), s.URL)
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%d bytes on the wire: error %v", packed.Len(), err)
	}
}

func remembers(v *Verifier, token string, now time.Time) bool {
	_, ok := v.cache.get(sha256.Sum256([]byte(token)), now)
	return ok
}

// A fetch that brings the same keys costs no verification; one that brings others makes
// every token of that issuer be verified again, and no token of another issuer.
func TestRefreshAndTheRememberedTokens(t *testing.T) {
	// Not parallel: synctest gives this test a clock of its own, which t.Parallel
	// inside the bubble does not allow.
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		memory := &memoryTransport{}
		both := jwks(jwk(k.rsa.Public(), "one", ""), jwk(k.ed.Public(), "two", ""))
		rotated := jwks(jwk(k.rsa2.Public(), "one", ""), jwk(k.ed.Public(), "two", ""))
		memory.set.Store(&both)
		v := newVerifier(t, Config{
			HTTPClient: &http.Client{Transport: memory}, CacheMaxAge: time.Hour,
			Issuers: []IssuerConfig{
				{Issuer: issuerA, Audience: []string{audience}, JWKSURL: "https://id.example/jwks"},
				{Issuer: issuerB, Audience: []string{audience}, Secret: secretB},
			},
		})
		c := &clock{at: time.Now()}
		one, two := rs256(c, "one"), sign(jwt.SigningMethodEdDSA, k.ed, "two", goodClaims(c))
		other := sign(jwt.SigningMethodHS256, []byte(secretB), "", with(goodClaims(c), map[string]any{"iss": issuerB}))
		for _, token := range []string{one, two, other} {
			accepts(t, v, token)
		}
		sleepUntilRefreshed(t, memory, 2)
		for name, token := range map[string]string{"one": one, "two": two, "other": other} {
			if !remembers(v, token, time.Now()) {
				t.Errorf("the same keys again: %s is forgotten", name)
			}
		}
		memory.set.Store(&rotated) // the kid stays, the key does not
		sleepUntilRefreshed(t, memory, 3)
		if remembers(v, one, time.Now()) || remembers(v, two, time.Now()) {
			t.Error("other keys: a token of that issuer is still remembered")
		}
		if !remembers(v, other, time.Now()) {
			t.Error("other keys: a token of another issuer is forgotten")
		}
		refuses(t, v, one, Invalid, "signature")
		accepts(t, v, two)
	})
}

// sleepUntilRefreshed lets the time of one refresh pass inside the bubble.
func sleepUntilRefreshed(t *testing.T, memory *memoryTransport, fetches int64) {
	t.Helper()
	time.Sleep(RefreshInterval + time.Second)
	synctest.Wait()
	if n := memory.fetches.Load(); n != fetches {
		t.Fatalf("%d fetches, want %d", n, fetches)
	}
}

// changingSet withdraws its keys at the worst moment: after one was read for a token
// and before that token is remembered.
type changingSet struct {
	jwkset.Storage
	withdraw func()
}

func (s *changingSet) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	key, err := s.Storage.KeyRead(ctx, kid)
	s.withdraw()
	return key, err
}

func TestKeyWithdrawnWhileATokenIsVerified(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	v := newVerifier(t, s.config(c))
	is := issuerOf(t, v)
	set := is.keys.set.Storage().(*remoteSet)
	changing, err := keyfunc.New(keyfunc.Options{Storage: &changingSet{Storage: set, withdraw: func() {
		s.serve(http.StatusOK, jwks(jwk(k.ed.Public(), "two", "")))
		if err := set.refresh(); err != nil {
			t.Error(err)
		}
	}}})
	if err != nil {
		t.Fatal(err)
	}
	is.keys.set = changing
	token := rs256(c, "one")
	accepts(t, v, token)
	refuses(t, v, token, Invalid, "key")
}
