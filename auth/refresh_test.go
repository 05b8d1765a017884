package auth

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// memoryTransport answers every request with the set it holds, without a network.
type memoryTransport struct {
	set     atomic.Pointer[string]
	fetches atomic.Int64
}

func (m *memoryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	m.fetches.Add(1)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(*m.set.Load())),
	}, nil
}

// A key that the issuer withdraws is refused after the next refresh, also for tokens
// that are remembered and although no unknown kid ever came.
func TestWithdrawnKeyIsRefusedAfterRefresh(t *testing.T) {
	// Not parallel: synctest gives this test a clock of its own, which t.Parallel
	// inside the bubble does not allow.
	k := keysOnce()
	synctest.Test(t, func(t *testing.T) {
		memory := &memoryTransport{}
		one, two := jwks(jwk(k.rsa.Public(), "one", ""), jwk(k.ed.Public(), "two", "")), jwks(jwk(k.ed.Public(), "two", ""))
		memory.set.Store(&one)
		v := newVerifier(t, Config{
			HTTPClient: &http.Client{Transport: memory}, CacheMaxAge: time.Hour,
			Issuers: []IssuerConfig{{Issuer: issuerA, Audience: []string{audience}, JWKSURL: "https://id.example/jwks"}},
		})
		c := &clock{at: time.Now()}
		token := rs256(c, "one")
		accepts(t, v, token)
		time.Sleep(RefreshInterval + time.Second)
		accepts(t, v, token)
		memory.set.Store(&two)
		time.Sleep(RefreshInterval)
		synctest.Wait()
		refuses(t, v, token, Invalid, "key")
		accepts(t, v, sign(jwt.SigningMethodEdDSA, k.ed, "two", goodClaims(c)))
		// The first, two by the clock, one for the kid that is unknown now.
		if n := memory.fetches.Load(); n != 4 {
			t.Errorf("%d fetches, want 4", n)
		}
	})
}
