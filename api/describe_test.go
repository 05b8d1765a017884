package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/moat-db/moat/api"
)

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, path := range []string{"", "/"} {
		got := s.do(t, call{path: path})
		if got.Status != http.StatusOK || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/openapi+json") {
			t.Fatalf("status %d, %s", got.Status, got.Header.Get("Content-Type"))
		}
		doc, err := openapi3.NewLoader().LoadFromData([]byte(got.Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := doc.Validate(t.Context()); err != nil {
			t.Fatalf("not OpenAPI: %v", err)
		}
		for _, want := range []string{"/leads", "/won_leads", "/rpc/add", "/countries"} {
			if doc.Paths.Value(want) == nil {
				t.Errorf("%s is not described", want)
			}
		}
		for _, hidden := range []string{"/unprotected", "/all_leads", "/lead_stats", "/secrets",
			"/rpc/hidden_function", "/items"} {
			if doc.Paths.Value(hidden) != nil {
				t.Errorf("%s is described", hidden)
			}
		}
		if doc.Paths.Value("/countries").Post != nil {
			t.Error("a table that may only be read has a POST")
		}
		if !strings.Contains(got.Body, "People who may become customers") || !strings.Contains(got.Body, "From 0 to 100") {
			t.Error("comments are not descriptions")
		}
	}
	other := s.do(t, call{header: []string{"Accept-Profile: extra"}})
	if !strings.Contains(other.Body, "/items") || strings.Contains(other.Body, "/leads") {
		t.Error("the description is not that of the profile")
	}
}

func TestOpenAPIWithoutTenant(t *testing.T) {
	t.Parallel()
	db := database(t)
	pool := pgxPool(t, db.As(t, db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) { c.Shared = api.WithoutTenant(pool, "app.current_tenant") })
	got := s.do(t, call{tenant: "none"})
	if !strings.Contains(got.Body, "/countries") || strings.Contains(got.Body, "/leads") ||
		strings.Contains(got.Body, "/rpc/") {
		t.Errorf("a token without a tenant is shown more than it may reach: %s", got.Body)
	}
}

func TestReferencePage(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequest(http.MethodGet, s.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != "/rest/v1/" {
		t.Errorf("/ sends a browser to %q with %d", answer.Header.Get("Location"), answer.StatusCode)
	}
	page := func(method, token string) response {
		r, err := http.NewRequest(method, s.URL+"/rest/v1/", strings.NewReader(url.Values{"token": {token}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return send(t, r)
	}
	if got := page("GET", ""); got.Status != 200 || !strings.Contains(got.Body, "<textarea") ||
		strings.Contains(got.Body, "leads") {
		t.Errorf("without a token: %d %s", got.Status, got.Body)
	}
	if got := page("POST", "wrong"); got.Status != 401 || !strings.Contains(got.Body, "refused") {
		t.Errorf("with a wrong token: %d", got.Status)
	}
	if got := page("POST", s.token(t, tenantA)); got.Status != 200 || !strings.Contains(got.Body, "From 0 to 100") ||
		!strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("with a token: %d %s", got.Status, got.Body)
	}
}
