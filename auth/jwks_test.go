package auth

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat/internal/webaddress"
)

// keyServer serves a key set that tests change, and counts how often it is asked.
type keyServer struct {
	*httptest.Server
	mu      sync.Mutex
	set     string
	status  int
	fetches atomic.Int64
	gate    chan struct{} // when not nil, an answer waits for it
}

func newKeyServer(t *testing.T, set string) *keyServer {
	s := &keyServer{set: set, status: http.StatusOK}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.fetches.Add(1)
	s.mu.Lock()
	set, status, gate := s.set, s.status, s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	w.WriteHeader(status)
	fmt.Fprint(w, set)
}

func (s *keyServer) serve(status int, set string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.set = status, set
}

func (s *keyServer) config(c *clock) Config {
	return Config{Now: c.now, Issuers: []IssuerConfig{{Issuer: issuerA, Audience: []string{audience}, JWKSURL: s.URL}}}
}

func rs256(c *clock, kid string) string {
	return sign(jwt.SigningMethodRS256, keysOnce().rsa, kid, goodClaims(c))
}

func TestUnknownKeyIDsCauseOneFetch(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	v := newVerifier(t, s.config(c))
	if n := s.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches by New", n)
	}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, err := v.Verify(context.Background(), rs256(c, fmt.Sprintf("random-%d", i))); err == nil {
				t.Error("unknown kid accepted")
			}
		})
	}
	all.Wait()
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches for 100 unknown kids, want 1", n-1)
	}
	c.advance(UnknownKeyInterval)
	for _, kid := range []string{`""`, "null", "7"} { // names no key, so it is not looked for
		token := forge(`{"alg":"RS256","kid":`+kid+`}`, text(goodClaims(c)), jwt.SigningMethodRS256, k.rsa)
		if _, err := v.Verify(context.Background(), token); err == nil {
			t.Errorf("kid %s accepted", kid)
		}
	}
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches for tokens that name no key", n-2)
	}
	for i := range 10 {
		refuses(t, v, rs256(c, fmt.Sprintf("later-%d", i)), Invalid, "key")
	}
	if n := s.fetches.Load(); n != 3 {
		t.Errorf("%d fetches in the next interval, want 1", n-2)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	v := newVerifier(t, s.config(c))
	old := rs256(c, "one")
	accepts(t, v, old)

	s.serve(http.StatusOK, jwks(jwk(k.p256.Public(), "two", "")))
	accepts(t, v, old) // not fetched again yet, and remembered
	accepts(t, v, sign(jwt.SigningMethodES256, k.p256, "two", goodClaims(c)))
	// The old key is gone with that fetch, also for tokens that are remembered.
	refuses(t, v, old, Invalid, "key")
}

func TestUnreachableKeysStay(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	reported := make(chan string, 10)
	config := s.config(c)
	config.CacheSize = -1
	config.OnRefreshError = func(issuer string, err error) { reported <- issuer + ": " + err.Error() }
	v := newVerifier(t, config)
	for _, answer := range []struct {
		status int
		body   string
	}{
		{http.StatusInternalServerError, "oops"}, {http.StatusOK, "<html>"}, {http.StatusOK, "{}"},
		{http.StatusOK, jwks(jwk(k.rsa.Public(), "one", "")) + strings.Repeat(" ", maxFetchBytes)},
	} {
		s.serve(answer.status, answer.body)
		refuses(t, v, rs256(c, "unknown"), Invalid, "key")
		select {
		case got := <-reported:
			if !strings.HasPrefix(got, issuerA+": key set: ") {
				t.Errorf("reported %q", got)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("an answer of %d bytes with status %d is not reported", len(answer.body), answer.status)
		}
		accepts(t, v, rs256(c, "one"))
		c.advance(UnknownKeyInterval)
	}
	s.Close()
	refuses(t, v, rs256(c, "unknown"), Invalid, "key")
	accepts(t, v, rs256(c, "one"))
}

func TestWithdrawingAllKeys(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	v := newVerifier(t, s.config(c))
	accepts(t, v, rs256(c, "one"))
	s.serve(http.StatusOK, `{"keys":[]}`)
	refuses(t, v, rs256(c, "unknown"), Invalid, "key")
	refuses(t, v, rs256(c, "one"), Invalid, "key")
}

// A client that sends an unknown kid and hangs up must not end the fetch for those
// who wait for the new key.
func TestHangingUpDoesNotEndTheFetch(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	v := newVerifier(t, s.config(c))
	gate := make(chan struct{})
	s.mu.Lock()
	s.set, s.gate = jwks(jwk(k.p256.Public(), "two", "")), gate
	s.mu.Unlock()

	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := v.Verify(gone, rs256(c, "unknown")); err == nil {
		t.Fatal("unknown kid accepted")
	}
	waiting := make(chan error)
	go func() {
		_, err := v.Verify(context.Background(), sign(jwt.SigningMethodES256, k.p256, "two", goodClaims(c)))
		waiting <- err
	}()
	close(gate)
	if err := <-waiting; err != nil {
		t.Errorf("the new key is refused: %v", err)
	}
}

func TestNewFailsWithoutKeys(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	down := httptest.NewServer(nil)
	down.Close()
	elsewhere := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	redirect := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(redirect.Close)
	moved := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	beside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/new/jwks" {
			moved.Config.Handler.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "/new/jwks?key=hunter2", http.StatusMovedPermanently)
	}))
	t.Cleanup(beside.Close)
	for _, tt := range []struct{ name, url, want string }{
		{"down", down.URL + "/jwks?key=hunter2", "/jwks: dial"},
		{"error", newStatusServer(t, http.StatusNotFound), "status 404"},
		{"no keys", newKeyServer(t, `{"keys":[]}`).URL, "no usable signing key"},
		{"a secret for all to read", newKeyServer(t, `{"keys":[{"kty":"oct","kid":"s","k":"`+b64(secretA)+`"}]}`).URL,
			"no usable signing key"},
		{"to another address", redirect.URL, "redirect to " + elsewhere.URL + " is not followed"},
		{"to another path", beside.URL + "/jwks", "redirect to " + beside.URL + "/new/jwks is not followed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(context.Background(), Config{Now: c.now, HTTPClient: redirect.Client(), Issuers: []IssuerConfig{
				{Issuer: issuerA, Audience: []string{audience}, JWKSURL: tt.url},
			}})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), issuerA) ||
				strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func newStatusServer(t *testing.T, status int) string {
	s := newKeyServer(t, "")
	s.serve(status, "")
	return s.URL
}

// What a set says of its keys is honoured: use, key_ops and alg.
func TestKeysOfASet(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	mark := func(kid string, change func(*jwkset.JWKMarshal)) jwkset.JWKMarshal {
		m := jwk(k.rsa.Public(), kid, "")
		change(&m)
		return m
	}
	set := jwks(
		mark("sig", func(m *jwkset.JWKMarshal) { m.USE = "sig" }),
		mark("enc", func(m *jwkset.JWKMarshal) { m.USE = "enc" }),
		mark("verify", func(m *jwkset.JWKMarshal) { m.KEYOPS = []jwkset.KEYOPS{"verify"} }),
		mark("wrap", func(m *jwkset.JWKMarshal) { m.KEYOPS = []jwkset.KEYOPS{"wrapKey"} }),
		mark("ps256", func(m *jwkset.JWKMarshal) { m.ALG = "PS256" }),
		mark("oaep", func(m *jwkset.JWKMarshal) { m.ALG = "RSA-OAEP" }),
		mark("es256", func(m *jwkset.JWKMarshal) { m.ALG = "ES256" }),
		mark("x5u", func(m *jwkset.JWKMarshal) { m.X5U = "http://127.0.0.1:1/" }),
		mark("broken", func(m *jwkset.JWKMarshal) { m.N = "%" }),
	)
	s := newKeyServer(t, set)
	v := newVerifier(t, s.config(c))
	for _, kid := range []string{"sig", "verify", "x5u"} {
		accepts(t, v, rs256(c, kid))
		refuses(t, v, sign(jwt.SigningMethodPS256, k.rsa, kid, goodClaims(c)), Invalid, "key")
	}
	for _, kid := range []string{"enc", "wrap", "oaep", "es256", "broken", "ps256"} {
		refuses(t, v, rs256(c, kid), Invalid, "key")
	}
	accepts(t, v, sign(jwt.SigningMethodPS256, k.rsa, "ps256", goodClaims(c)))

	only := s.config(c)
	only.Issuers[0].Algorithms = []string{"PS256", "PS512"}
	v = newVerifier(t, only)
	accepts(t, v, sign(jwt.SigningMethodPS512, k.rsa, "sig", goodClaims(c)))
	refuses(t, v, sign(jwt.SigningMethodPS512, k.rsa, "ps256", goodClaims(c)), Invalid, "key")
	refuses(t, v, rs256(c, "sig"), Invalid, "signature")
}

func TestKeySetFile(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	path := filepath.Join(t.TempDir(), "jwks.json")
	secret := `{"kty":"oct","kid":"s","k":"` + b64(secretA) + `"}`
	set := strings.TrimSuffix(jwks(jwk(k.ed.Public(), "ed", "")), "]}") + "," + secret + "]}"
	if err := os.WriteFile(path, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, Config{Now: c.now,
		Issuers: []IssuerConfig{{Issuer: issuerA, Audience: []string{audience}, JWKSFile: path}}})
	accepts(t, v, sign(jwt.SigningMethodEdDSA, k.ed, "ed", goodClaims(c)))
	accepts(t, v, sign(jwt.SigningMethodHS256, []byte(secretA), "s", goodClaims(c)))
	refuses(t, v, sign(jwt.SigningMethodHS256, []byte(k.ed.Public().(ed25519.PublicKey)), "ed", goodClaims(c)),
		Invalid, "key")

	// A secret that is long enough for one configured algorithm is not for the other.
	v = newVerifier(t, Config{Now: c.now, Issuers: []IssuerConfig{{
		Issuer: issuerA, Audience: []string{audience}, JWKSFile: path, Algorithms: []string{"HS256", "HS512"},
	}}})
	accepts(t, v, sign(jwt.SigningMethodHS256, []byte(secretA), "s", goodClaims(c)))
	refuses(t, v, sign(jwt.SigningMethodHS512, []byte(secretA), "s", goodClaims(c)), Invalid, "key")
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	named := func(path, issuer, keys string) {
		mux.HandleFunc(path+"/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, keys)
		})
	}
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, jwks(jwk(k.rsa.Public(), "one", "RS256")))
	})
	named("/good", server.URL+"/good", server.URL+"/keys")
	named("/slash", server.URL+"/slash/", server.URL+"/keys")
	named("/impostor", server.URL+"/good", server.URL+"/keys")
	named("/plain", server.URL+"/plain", "http://id.example/keys")
	named("/keyless", server.URL+"/keyless", "")

	open := func(issuer string) (*Verifier, error) {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		return New(ctx, Config{Now: c.now, HTTPClient: server.Client(), Issuers: []IssuerConfig{
			{Issuer: issuer, Audience: []string{audience}, Discovery: true},
		}})
	}
	for _, issuer := range []string{server.URL + "/good", server.URL + "/slash/"} {
		v, err := open(issuer)
		if err != nil {
			t.Fatal(err)
		}
		accepts(t, v, sign(jwt.SigningMethodRS256, k.rsa, "one", with(goodClaims(c), map[string]any{"iss": issuer})))
	}
	for path, want := range map[string]string{
		"/impostor": "the document is of issuer", "/slash": "the document is of issuer", "/plain": "must be https",
		"/keyless": "no jwks_uri", "/missing": "status 404",
	} {
		if _, err := open(server.URL + path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", path, err, want)
		}
	}
}

// New leaves nothing running when it fails, and stops refreshing with its context.
func TestRefreshEndsWithContext(t *testing.T) {
	t.Parallel()
	c, k := newClock(), keysOnce()
	s := newKeyServer(t, jwks(jwk(k.rsa.Public(), "one", "")))
	ctx, cancel := context.WithCancel(context.Background())
	v, err := New(ctx, s.config(c))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	refuses(t, v, rs256(c, "unknown"), Invalid, "key")
	accepts(t, v, rs256(c, "one"))
	if n := s.fetches.Load(); n != 1 {
		t.Errorf("%d fetches after the end", n-1)
	}
	if _, err := New(ctx, s.config(c)); !errors.Is(err, context.Canceled) {
		t.Errorf("New with an ended context: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://id.example/jwks": true, "http://127.0.0.1:8080/x": true, "http://[::1]/x": true, "http://localhost/x": true,
		"http://id.example/jwks": false, "http://127.0.0.1.example/x": false, "http://localhost.example": false,
		"ftp://127.0.0.1/x": false, "//id.example/x": false, "https://": false, "https://u@id.example/": false, "\x00": false,
	} {
		if err := webaddress.Check(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
	if RefreshInterval > 10*time.Minute || UnknownKeyInterval < 5*time.Second {
		t.Error("the intervals are not the documented ones")
	}
}
