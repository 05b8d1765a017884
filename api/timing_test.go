package api_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// The header names each phase in order, also those that a request did not need, and is there
// only where it is asked for.
func TestServerTiming(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCappedCounts
	s := serve(t, func(c *api.Config) { c.ServerTiming = true })
	phases := func(c call) string {
		var names []string
		for one := range strings.SplitSeq(s.do(t, c).Header.Get("Server-Timing"), ", ") {
			if !regexp.MustCompile(`^[a-z]+;dur=\d+\.\d{3}$`).MatchString(one) {
				t.Errorf("%s: %q", c.path, one)
			}
			name, _, _ := strings.Cut(one, ";")
			names = append(names, name)
		}
		return strings.Join(names, " ")
	}
	const every = "jwt admission parse plan transaction response"
	for _, c := range []struct {
		call
		want string
	}{
		{call{path: "leads?select=id&limit=1"}, every},
		{call{path: "leads?select=id&limit=2"}, every}, // planned before
		{call{method: "POST", path: "labels", body: `{"id":5,"name":"x"}`}, every},
		{call{method: "POST", path: "rpc/whoami"}, every},
		{call{method: "OPTIONS", path: "leads"}, every},
		{call{method: "HEAD", path: "/"}, every},
		{call{path: "leads?id=1"}, every}, // refused
		{call{path: "/healthz"}, "response"},
	} {
		if got := phases(c.call); got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	quiet := serve(t, nil)
	if got := quiet.do(t, call{path: "leads"}).Header; got.Get("Server-Timing") != "" {
		t.Errorf("nobody asked for %q", got.Get("Server-Timing"))
	}
}

// Rows are compressed although they come with a Content-Range, which is still sent.
func TestRowsAreCompressed(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, "INSERT INTO app.labels (tenant_id, id, name) SELECT '"+tenantA+"', n, 'label number ' || n FROM "+
		"generate_series(100, 400) AS n")
	for disabled, want := range map[bool]string{false: "gzip", true: ""} {
		s := serveOn(t, db, func(c *api.Config) { c.DisableCompression = disabled })
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			s.URL+"/rest/v1/labels?select=id,name&id=gte.100", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.token(t, tenantA))
		r.Header.Set("Accept-Encoding", "gzip")
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.Header.Get("Content-Encoding") != want || res.Header.Get("Content-Range") != "0-300/*" ||
			res.Header.Get("Moat-Content-Range") != "" {
			t.Fatalf("compression disabled %v: %v", disabled, res.Header)
		}
		body := io.Reader(res.Body)
		if !disabled {
			if body, err = gzip.NewReader(res.Body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(body)
		if err != nil || strings.Count(string(text), "label number") != 301 {
			t.Errorf("compression disabled %v: %v, %d bytes", disabled, err, len(text))
		}
	}
}

// A browser may send whatever header it asks for, traceparent for one.
func TestPreflightAllowsHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.CORSOrigins = []string{"https://ui.example"} })
	for origin, want := range map[string]string{"https://ui.example": "authorization,traceparent",
		"https://evil.example": ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.URL+"/rest/v1/leads", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", "authorization,traceparent")
		if got := send(t, r); got.Header.Get("Access-Control-Allow-Headers") != want {
			t.Errorf("%s: %v", origin, got.Header)
		}
	}
}
