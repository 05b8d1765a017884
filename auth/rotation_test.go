package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// hosts answers each request with what its host serves; one that serves nothing is away,
// and the set "hang" never comes. None of these tests is parallel: synctest gives each a
// clock of its own, which t.Parallel inside the bubble does not allow.
type hosts struct {
	sets    map[string]*atomic.Pointer[string]
	fetches atomic.Int64
}

func newHosts(names ...string) *hosts {
	h := &hosts{sets: map[string]*atomic.Pointer[string]{}}
	for _, name := range names {
		h.sets[name] = &atomic.Pointer[string]{}
	}
	return h
}

func (h *hosts) serve(host, set string) { h.sets[host].Store(&set) }

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.fetches.Add(1)
	set := h.sets[r.URL.Host].Load()
	switch {
	case set == nil:
		return nil, errors.New("connection refused")
	case *set == "hang":
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	body := *set
	if strings.HasSuffix(r.URL.Path, "openid-configuration") {
		body = fmt.Sprintf(`{"issuer":"https://%s","jwks_uri":"https://%[1]s/jwks"}`, r.URL.Host)
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(body))}, nil
}

// config has issuers A and B, the one at its jwks_url and the other by discovery.
func (h *hosts) config() Config {
	return Config{HTTPClient: &http.Client{Transport: h}, Issuers: []IssuerConfig{
		{Issuer: issuerA, Audience: []string{audience}, JWKSURL: issuerA + "/jwks"},
		{Issuer: issuerB, Audience: []string{audience}, Discovery: true},
	}}
}

func setOf(key crypto.PublicKey, kid string) string { return jwks(jwk(key, kid, "")) }

// by signs a good token of this moment.
func by(issuer string, method jwt.SigningMethod, key any, kid string) string {
	return sign(method, key, kid, with(goodClaims(&clock{at: time.Now()}), map[string]any{"iss": issuer}))
}

// took says how long a verification took on the bubble's clock, and how it ended.
func took(v *Verifier, token string) (time.Duration, error) {
	start := time.Now()
	_, err := v.Verify(context.Background(), token)
	return time.Since(start), err
}

// An issuer that rotates twice within seconds is followed at once; a stranger's tokens delay
// that by UnknownKeyInterval at most, and cause no more fetches than one in each.
func TestRotatedTwice(t *testing.T) {
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts("a.example", "b.example")
		h.serve("a.example", setOf(k.rsa.Public(), "one"))
		h.serve("b.example", setOf(k.ed.Public(), "b"))
		v := newVerifier(t, h.config())
		for i := range 4 {
			kid := fmt.Sprint("rotated-", i)
			h.serve("a.example", setOf(k.rsa.Public(), kid))
			accepts(t, v, by(issuerA, jwt.SigningMethodRS256, k.rsa, kid))
			time.Sleep(RotationInterval)
		}
		before, start := h.fetches.Load(), time.Now()
		tokens := 1200
		if testing.Short() {
			tokens = 200 // to sign one takes a millisecond
		}
		for i := range tokens / 2 {
			refuses(t, v, by(issuerA, jwt.SigningMethodRS256, k.rsa2, fmt.Sprint("stranger-", i)), Invalid, "key")
			refuses(t, v, by(issuerA, jwt.SigningMethodRS256, k.rsa2, "rotated-3"), Invalid, "signature")
			time.Sleep(100 * time.Millisecond)
		}
		most := int64(time.Since(start)/UnknownKeyInterval) + 1
		if n := h.fetches.Load() - before; n > most {
			t.Errorf("%d tokens of a stranger cause %d fetches, want %d at most", tokens, n, most)
		}
		h.serve("a.example", setOf(k.rsa.Public(), "last"))
		last := by(issuerA, jwt.SigningMethodRS256, k.rsa, "last")
		time.Sleep(UnknownKeyInterval)
		accepts(t, v, last)
	})
}

// The same kid with a new key, of the same type and of another, is accepted at once, and
// what the old key signed is not any more.
func TestSameKidNewKey(t *testing.T) {
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts("a.example", "b.example")
		h.serve("a.example", setOf(k.rsa.Public(), "one"))
		h.serve("b.example", setOf(k.ed.Public(), "b"))
		v := newVerifier(t, h.config())
		old := by(issuerA, jwt.SigningMethodRS256, k.rsa, "one")
		accepts(t, v, old)
		h.serve("a.example", setOf(k.rsa2.Public(), "one"))
		accepts(t, v, by(issuerA, jwt.SigningMethodRS256, k.rsa2, "one"))
		refuses(t, v, old, Invalid, "signature")
		time.Sleep(UnknownKeyInterval)
		h.serve("a.example", setOf(k.p256.Public(), "one"))
		accepts(t, v, by(issuerA, jwt.SigningMethodES256, k.p256, "one"))
		refuses(t, v, old, Invalid, "key")
	})
}

// While issuers are away the verifier starts, says whom it waits for, accepts nothing of
// theirs, and tries again with growing pauses until it has the keys.
func TestStartWithoutKeys(t *testing.T) {
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts("a.example", "b.example")
		config := h.config()
		config.StartWithoutKeys = true
		var reported atomic.Int64
		config.OnRefreshError = func(string, error) { reported.Add(1) }
		v := newVerifier(t, config)
		waits := func(want ...string) {
			t.Helper()
			if got := v.Waiting(); !slices.Equal(got, want) {
				t.Errorf("waiting for %q, want %q", got, want)
			}
		}
		waits(issuerA, issuerB)
		good := by(issuerA, jwt.SigningMethodRS256, k.rsa, "one")
		for _, token := range []string{good, by(issuerB, jwt.SigningMethodEdDSA, k.ed, "two"),
			by(issuerA, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "one")} {
			if _, err := v.Verify(context.Background(), token); !errors.Is(err, ErrNoKeys) {
				t.Errorf("without keys: %v", err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		// At 0, 1, 3, 7, 15, 31 s, and then each 30 s; one of each issuer's by a token.
		if n := h.fetches.Load(); n < 12 || n > 14 || reported.Load() != n {
			t.Errorf("%d attempts in a minute, %d reported", n, reported.Load())
		}
		h.serve("a.example", `{"keys":[]}`) // a set without keys is none to start with
		time.Sleep(MaxRetryInterval)
		synctest.Wait()
		waits(issuerA, issuerB)
		h.serve("a.example", setOf(k.rsa.Public(), "one"))
		h.serve("b.example", setOf(k.ed.Public(), "two"))
		time.Sleep(MaxRetryInterval)
		synctest.Wait()
		waits()
		accepts(t, v, good)
		accepts(t, v, by(issuerB, jwt.SigningMethodEdDSA, k.ed, "two"))
	})
}

// A key server that never answers delays the tokens that it could have signed, for KeyWait,
// and no other: neither those of its known keys, nor any of another issuer.
func TestSlowKeyServerDelaysOnlyItsOwn(t *testing.T) {
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts("a.example", "b.example")
		h.serve("a.example", "hang")
		h.serve("b.example", setOf(k.ed.Public(), "b"))
		config := h.config()
		config.StartWithoutKeys, config.CacheSize = true, -1
		start := time.Now()
		v := newVerifier(t, config)
		if d := time.Since(start); d != 0 {
			t.Errorf("New waited %s", d)
		}
		known := by(issuerA, jwt.SigningMethodRS256, k.rsa, "one")
		tokenOfB := by(issuerB, jwt.SigningMethodEdDSA, k.ed, "b")
		check := func(what, token string, wait time.Duration, ends func(error) bool) {
			t.Helper()
			if d, err := took(v, token); d != wait || !ends(err) {
				t.Errorf("%s took %s and ended with %v", what, d, err)
			}
		}
		accepted := func(err error) bool { return err == nil }
		noKeys := func(err error) bool { return errors.Is(err, ErrNoKeys) }
		refused := func(err error) bool { var e *TokenError; return errors.As(err, &e) }

		go func() { _, _ = took(v, known) }() // waits for A while B is asked
		check("B beside a start of A", tokenOfB, 0, accepted)
		check("A without keys", known, KeyWait, noKeys)

		h.serve("a.example", setOf(k.rsa.Public(), "one"))
		time.Sleep(time.Minute)
		check("A, known", known, 0, accepted)
		h.serve("a.example", "hang")
		go func() { _, _ = took(v, by(issuerA, jwt.SigningMethodRS256, k.rsa, "x")) }()
		synctest.Wait()
		check("A, known, beside a fetch", known, 0, accepted)
		check("A, unknown", by(issuerA, jwt.SigningMethodRS256, k.rsa, "two"), KeyWait, refused)
		check("B beside a fetch of A", tokenOfB, 0, accepted)
		h.serve("b.example", setOf(k.p256.Public(), "new"))
		check("B's new key beside a fetch of A", by(issuerB, jwt.SigningMethodES256, k.p256, "new"), 0, accepted)
	})
}

// What no attempt can mend stops the start in any case.
func TestStartWithoutKeysIsNoExcuse(t *testing.T) {
	t.Parallel()
	for name, ic := range map[string]IssuerConfig{
		"plain http":           {JWKSURL: "http://id.example/jwks"},
		"discovery over http":  {Issuer: "http://id.example", Discovery: true},
		"a secret by URL":      {JWKSURL: "https://id.example/jwks", Algorithms: []string{"HS256"}},
		"a file that is away":  {JWKSFile: "/nowhere/jwks.json"},
		"no source of any key": {},
	} {
		if ic.Issuer == "" {
			ic.Issuer = issuerA
		}
		ic.Audience = []string{audience}
		if _, err := New(t.Context(), Config{StartWithoutKeys: true, Issuers: []IssuerConfig{ic}}); err == nil {
			t.Errorf("%s: started", name)
		}
	}
}

// Nobody can tell whether such a token is good, so it is not called bad: a client that is
// told 401 would sign its user out.
func TestWithoutKeysIs503(t *testing.T) {
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		config := newHosts("a.example", "b.example").config()
		config.StartWithoutKeys = true
		v := newVerifier(t, config)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+by(issuerA, jwt.SigningMethodRS256, k.rsa, "one"))
		w := httptest.NewRecorder()
		Middleware(v, MiddlewareOptions{})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("let in")
		})).ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" ||
			w.Header().Get("WWW-Authenticate") != "" || !strings.Contains(w.Body.String(), NoKeysCode) {
			t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
	})
}
