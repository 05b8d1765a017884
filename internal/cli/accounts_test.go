package cli

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Whoever belongs to several accounts chooses one in the portal, and can change it; the
// choice is held against the membership like any other.
func TestPortalAccounts(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	s, err := speaksService(t, d, "", "none", speaksMembers+"\nportal: {paste_tokens: true}\n")
	if err != nil {
		t.Fatal(err)
	}
	status, cookie := s.signIn(speaksToken(t, "one", map[string]any{"sub": "ann"}))
	if status != http.StatusSeeOther || cookie == nil {
		t.Fatal(status)
	}
	visit := func(method, path string, form url.Values) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/portal"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w
	}
	if w := visit("GET", "/t/docs/export", nil); w.Header().Get("Location") != "/portal/accounts" {
		t.Errorf("without an account: %d %s", w.Code, w.Body)
	}
	if page := visit("GET", "/accounts", nil).Body.String(); !strings.Contains(page, "Acme") ||
		!strings.Contains(page, "Beta") || !strings.Contains(page, "Suspended") || strings.Contains(page, "Delta") {
		t.Errorf("accounts: %s", page)
	}
	for _, no := range []string{delta, omega, gamma, "x", ""} {
		if w := visit("POST", "/accounts", url.Values{"account": {no}}); len(w.Result().Cookies()) > 0 && no != "" ||
			w.Code != http.StatusForbidden && no != "" {
			t.Errorf("account %q: %d", no, w.Code)
		}
	}
	for _, name := range []string{"Beta", "Acme"} {
		w := visit("POST", "/accounts", url.Values{"account": {map[string]string{"Acme": acme, "Beta": beta}[name]}})
		if w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		cookie = w.Result().Cookies()[0]
		if got := visit("GET", "/t/docs/export", nil).Body.String(); !strings.Contains(got, "of "+name) {
			t.Errorf("%s: %s", name, got)
		}
	}
	d.Exec(t, "delete from app.members where tenant_id = '"+acme+"'")
	if w := visit("GET", "/t/docs/export", nil); w.Code != http.StatusForbidden {
		t.Errorf("after the membership: %d", w.Code)
	}
}

// A client of the proxy chooses by a start-up parameter, or by an option.
func TestProxyChoice(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestServerBindsTheIssuer
	d := speaksDatabase(t)
	s, err := speaksService(t, d, "", "none", speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProxyService(t.Context(), &service{config: s.config, appURL: s.appURL, log: s.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go p.proxy.Serve(l)
	server, err := pgconn.ParseConfig(s.appURL)
	if err != nil {
		t.Fatal(err)
	}
	read := func(claims map[string]any, parameters map[string]string) (title string, err error) {
		c, err := pgx.ParseConfig("postgres://app@" + l.Addr().String() + "/" + server.Database + "?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		c.Password, c.RuntimeParams = speaksToken(t, "one", claims), parameters
		conn, err := pgx.ConnectConfig(t.Context(), c)
		if err != nil {
			return "", err
		}
		defer conn.Close(t.Context())
		return title, conn.QueryRow(t.Context(), "select title from app.docs").Scan(&title)
	}
	ann := map[string]any{"sub": "ann"}
	for _, parameters := range []map[string]string{{"moat.tenant": beta}, {"options": "-c moat.tenant=" + beta},
		{"options": "-c datestyle=ISO -c moat.tenant=" + strings.ToUpper(beta)}} {
		if title, err := read(ann, parameters); err != nil || title != "of Beta" {
			t.Errorf("%v: %q, %v", parameters, title, err)
		}
	}
	for name, c := range map[string]struct {
		claims     map[string]any
		parameters map[string]string
		code       string
	}{
		"no choice":     {ann, nil, "28P01"},
		"no member":     {ann, map[string]string{"moat.tenant": delta}, "28000"},
		"suspended":     {ann, map[string]string{"moat.tenant": gamma}, "28000"},
		"unknown":       {ann, map[string]string{"moat.tenant": omega}, "28000"},
		"another's":     {map[string]any{"sub": "ann", "tenant_id": acme}, map[string]string{"moat.tenant": beta}, "28000"},
		"two options":   {ann, map[string]string{"options": "-c moat.tenant=" + beta + " -c moat.tenant=" + acme}, "28000"},
		"another thing": {ann, map[string]string{"moat.tenant": beta, "options": "-c app.current_tenant=" + acme}, "28000"},
	} {
		if title, err := read(c.claims, c.parameters); refusedWith(err) != c.code {
			t.Errorf("%s: %q, %v", name, title, err)
		}
	}
}
