package api_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// keyServer serves a key set once it is up.
type keyServer struct {
	up  atomic.Bool
	set string
}

func (k *keyServer) RoundTrip(*http.Request) (*http.Response, error) {
	if !k.up.Load() {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(k.set))}, nil
}

// While the keys of an issuer were never read, the server says so and names it, and serves
// the tokens of the others; tokens of that issuer are neither accepted nor called bad.
func TestReadinessWaitsForKeys(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestReadinessChecksTheRole
	const away = "https://away.test"
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerConfig{Issuer: away, Audience: "moat",
		Key: auth.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	set, err := signer.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	source := &keyServer{set: string(set)}
	s := serve(t, func(c *api.Config) {
		v, err := auth.New(t.Context(), auth.Config{AllowWithoutTenant: true, StartWithoutKeys: true,
			HTTPClient: &http.Client{Transport: source}, Issuers: []auth.IssuerConfig{
				{Issuer: "test", Audience: []string{"moat"}, Secret: secret},
				{Issuer: away, Audience: []string{"moat"}, JWKSURL: away + "/jwks"},
			}})
		if err != nil {
			t.Fatal(err)
		}
		c.Verifier = v
	})
	if got := s.do(t, call{path: "/readyz"}); got.Status != 503 || !strings.Contains(got.Body, away) {
		t.Errorf("readyz: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{path: "leads"}); got.Status != 200 {
		t.Errorf("a token of another issuer: %d %s", got.Status, got.Body)
	}
	token, err := signer.Sign(auth.Identity{Tenant: tenantA, Subject: "u"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() response {
		r, err := http.NewRequest(http.MethodGet, s.URL+"/rest/v1/leads", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return send(t, r)
	}
	if got := ask(); got.Status != 503 || !strings.Contains(got.Body, auth.NoKeysCode) ||
		got.Header.Get("Retry-After") == "" {
		t.Errorf("its token: %d %s", got.Status, got.Body)
	}
	if log := s.log.String(); !strings.Contains(log, fmt.Sprintf(`"code":%q`, auth.NoKeysCode)) {
		t.Errorf("the access log does not say why: %s", log)
	}
	source.up.Store(true)
	eventually(t, func() bool { return s.do(t, call{path: "/readyz"}).Status == 200 })
	if got := ask(); got.Status != 200 {
		t.Errorf("its token with the keys: %d %s", got.Status, got.Body)
	}
}
