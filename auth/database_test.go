package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Open without options and Middleware work together, for a token of each provider: what a
// token says beside the tenant reaches the policies.
func TestMiddlewareWithOpen(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	role := d.AppRole(t)
	db, err := moat.Open(t.Context(), d.As(t, role), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rows, err := db.Query(r.Context(), `select concat_ws(' ', current_setting('app.current_tenant'),
			current_setting('app.subject'), current_setting('app.role'),
			current_setting('request.jwt.claims')::json ->> 'iss')`)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
		fmt.Fprint(w, answer, err)
	})
	const tenant = "5f3c1d7e-8f6a-4d0b-9a51-2f1f6f6c9a10"
	for name, provider := range map[string]struct {
		config auth.IssuerConfig
		claims jwt.MapClaims
		want   string
	}{
		"plain": {auth.IssuerConfig{}, jwt.MapClaims{"tenant_id": tenant, "sub": "ann"}, tenant + " ann "},
		"with role": {auth.IssuerConfig{}, jwt.MapClaims{"tenant_id": tenant, "sub": "ann", "role": "admin"}, tenant +
			" ann admin"},
		"nested": {auth.IssuerConfig{TenantClaim: "app_metadata.tenant_id", RoleClaim: "app_metadata.role"},
			jwt.MapClaims{"app_metadata": map[string]any{"tenant_id": tenant, "role": "client"}, "sub": "ann"},
			tenant + " ann client"},
		"namespaced": {auth.IssuerConfig{TenantClaim: "https://example.com/tenant"},
			jwt.MapClaims{"https://example.com/tenant": tenant, "sub": "ann"}, tenant + " ann "},
	} {
		const secret = "only-for-this-test-0123456789abcdef0"
		provider.config.Issuer, provider.config.Audience = "https://id.example.com/"+name, []string{"moat"}
		provider.config.Secret = secret
		verifier, err := auth.New(context.Background(), auth.Config{Issuers: []auth.IssuerConfig{provider.config}})
		if err != nil {
			t.Fatal(err)
		}
		provider.claims["iss"], provider.claims["aud"] = provider.config.Issuer, "moat"
		provider.claims["exp"], provider.claims["iat"] = time.Now().Add(time.Hour).Unix(), time.Now().Unix()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, provider.claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		auth.Middleware(verifier, auth.MiddlewareOptions{})(handler).ServeHTTP(response, request)
		want := provider.want + " " + provider.config.Issuer + "<nil>"
		if response.Code != http.StatusOK || response.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", name, response.Code, response.Body, want)
		}
	}
}
