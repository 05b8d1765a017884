package cli

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A server for real clients has no sample sign-in and no page that runs visitors' SQL.
func TestServeHasNoDemoPages(t *testing.T) {
	t.Parallel()
	s := doorService(t, doorDatabase(t), "tenant: {table: app.tenants, key: id}")
	ask := func(method, path string, form url.Values, cookies []*http.Cookie) *http.Response {
		r := httptest.NewRequest(method, "/portal"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Result()
	}
	in := ask("POST", "/sign-in", url.Values{"token": {doorToken(t, acme, "alice", "")}}, nil)
	if got := ask("GET", "/t/docs", nil, in.Cookies()); got.StatusCode != http.StatusOK {
		t.Fatalf("signed in: %d, a page: %d", in.StatusCode, got.StatusCode)
	}
	for _, path := range []string{"GET /break-in", "POST /break-in", "POST /demo/sign-in", "POST /demo/operator"} {
		method, at, _ := strings.Cut(path, " ")
		if got := ask(method, at, url.Values{"sql": {"select 1"}, "client": {acme}},
			in.Cookies()); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	if got := ask("POST", "/sign-in", url.Values{"client": {acme}}, nil); len(got.Cookies()) > 0 {
		t.Error("a sample client signs in without a token")
	}
}
