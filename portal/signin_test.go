package portal

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// withProvider is a portal whose clients sign in at a provider, and whose sessions are kept.
func withProvider(t *testing.T, change func(*Config)) (*world, *issuer) {
	t.Helper()
	o := newIssuer(t)
	w := newWorld(t, func(c *Config) {
		v, err := auth.New(t.Context(), auth.Config{TenantType: moat.BigInt, AllowWithoutTenant: true,
			Issuers: []auth.IssuerConfig{{Issuer: o.server.URL, Audience: []string{"moat-portal"}, Discovery: true,
				Leeway: -1}}, Now: o.now})
		must(t, err)
		c.Now = o.now
		c.SignIn = []Provider{{Issuer: o.server.URL, ClientID: "moat-portal", ClientSecret: "portal-secret"}}
		c.ProviderVerifier, c.PasteTokens, c.Sessions = v, false, c.Operator.Pool
		c.SessionKey = []byte("the key that the servers of this test share")
		if change != nil {
			change(c)
		}
	})
	return w, o
}

func TestSignInAtTheProvider(t *testing.T) {
	t.Parallel()
	w, o := withProvider(t, nil)
	v := w.atProvider()
	if !v.signed() {
		t.Fatal("signed in, and sees nothing")
	}
	page := v.get("/dashboard").body
	if !strings.Contains(page, "Ada Meyer · ada@client.example") || strings.Contains(page, "user-4711") {
		t.Error("the page does not say who is signed in by name and e-mail, or shows the subject")
	}
	// Nothing of the tokens is in the cookie, nor readable in the table.
	if n := w.query(`select count(*)::text from moat.portal_session where position('eyJ'::bytea in value) > 0
		or position('user-4711'::bytea in owner || value) > 0`); n != "0" {
		t.Errorf("%s sessions can be read in the table", n)
	}
	at, _ := url.Parse(w.server.URL + "/portal/")
	stolen := w.visitor()
	stolen.c.Jar.SetCookies(at, v.c.Jar.Cookies(at))
	if !stolen.signed() {
		t.Fatal("the copy of a cookie does not open the session: the test shows nothing")
	}
	out := v.do("POST", "/sign-out", nil)
	_, link, _ := strings.Cut(out.body, `content="0; url=`)
	link, _, _ = strings.Cut(link, `"`)
	link = strings.ReplaceAll(link, "&amp;", "&")
	if !strings.HasPrefix(link, o.server.URL+"/end?") {
		t.Fatalf("after signing out: %d, on to %q", out.status, link)
	}
	res, err := v.c.Get(link)
	must(t, err)
	res.Body.Close()
	if back := res.Header.Get("Location"); back != w.server.URL+"/portal/sign-in" || len(o.ended) != 1 ||
		o.ended[0].Get("id_token_hint") == "" || o.ended[0].Get("client_id") != "moat-portal" {
		t.Errorf("the provider got %v and sends back to %q", o.ended, back)
	}
	if v.signed() || stolen.signed() {
		t.Error("after signing out the cookie, or its copy, still opens the session")
	}
}

func TestProviderAnswersThatAreRefused(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTokenOfAnotherProvider
	w, o := withProvider(t, nil)
	refused := func(name string, v *visitor, path string) {
		t.Helper()
		if a := v.get(path); a.status < 400 || v.signed() {
			t.Errorf("%s: %d, signed in %v", name, a.status, v.signed())
		}
	}
	v := w.visitor()
	back := v.begin()
	q := strings.Replace(back, "state=", "state=x", 1)
	refused("another state", v, q)
	refused("an attempt that was used up", v, back)

	refused("another browser", w.visitor(), w.visitor().begin())

	v = w.visitor()
	refused("an answer that names another issuer", v, strings.Replace(v.begin(), "&iss=", "&iss=x", 1))
	v = w.visitor()
	before, after, _ := strings.Cut(v.begin(), "&iss=")
	_, after, _ = strings.Cut(after, "&")
	refused("an answer that names no issuer", v, before+"&"+after)

	v = w.visitor()
	back = v.begin()
	at, _ := url.Parse(w.server.URL + "/portal/")
	attempt := v.c.Jar.Cookies(at)
	if a := v.get(back); a.status != http.StatusSeeOther || !v.signed() {
		t.Fatalf("the code itself: %d", a.status)
	}
	again := w.visitor()
	again.c.Jar.SetCookies(at, attempt)
	refused("a replayed code", again, back)

	for name, change := range map[string]func(jwt.MapClaims){
		"another nonce":              func(c jwt.MapClaims) { c["nonce"] = "another" },
		"no nonce":                   func(c jwt.MapClaims) { delete(c, "nonce") },
		"another client's token":     func(c jwt.MapClaims) { c["aud"] = "other" },
		"another authorized party":   func(c jwt.MapClaims) { c["azp"] = "other" },
		"several audiences":          func(c jwt.MapClaims) { c["aud"] = []string{"moat-portal", "other"} },
		"another issuer's token":     func(c jwt.MapClaims) { c["iss"] = "https://clients.test" },
		"an expired token":           func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() },
		"a tenant that is not there": func(c jwt.MapClaims) { c["tenant_id"] = "77" },
		"no tenant":                  func(c jwt.MapClaims) { delete(c, "tenant_id") },
	} {
		o.set(func() { o.change = change })
		v := w.visitor()
		refused(name, v, v.begin())
	}
	o.set(func() { o.change = nil })
	pasted := url.Values{"token": {w.token("1", time.Hour)}}
	if a := w.visitor().do("POST", "/sign-in", pasted); a.status != http.StatusNotFound {
		t.Errorf("a pasted token, where none are taken: %d", a.status)
	}
	if !w.atProvider().signed() {
		t.Error("the provider's own answer is refused: the test shows nothing")
	}
}

// A token of one configured issuer is none of another that the sign-in was begun at.
func TestTokenOfAnotherProvider(t *testing.T) {
	t.Parallel()
	other := newIssuer(t)
	other.key = newKey()
	w, o := withProvider(t, func(c *Config) {
		issuers := []auth.IssuerConfig{}
		for _, at := range []string{c.SignIn[0].Issuer, other.server.URL} {
			issuers = append(issuers, auth.IssuerConfig{Issuer: at, Audience: []string{"moat-portal"}, Discovery: true})
		}
		v, err := auth.New(t.Context(), auth.Config{TenantType: moat.BigInt, Issuers: issuers})
		must(t, err)
		c.ProviderVerifier = v
		c.SignIn = append(c.SignIn, Provider{Issuer: other.server.URL, ClientID: "moat-portal", Name: "Staff",
			Hosts: []string{"staff.example"}})
	})
	if page := w.visitor().get("/sign-in").body; strings.Contains(page, "Staff") {
		t.Error("a provider is offered on a host that is not its own")
	}
	if a := w.visitor().get("/sign-in/at/1"); a.status != http.StatusNotFound {
		t.Errorf("a provider of another host: %d", a.status)
	}
	o.key = other.key
	o.set(func() { o.change = func(c jwt.MapClaims) { c["iss"] = other.server.URL } })
	v := w.visitor()
	if a := v.get(v.begin()); a.status != http.StatusUnauthorized || v.signed() {
		t.Errorf("the token of the other issuer: %d", a.status)
	}
}

func TestSessionsAreRenewed(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestOwnKeysAndSessions
	w, o := withProvider(t, nil)
	o.set(func() { o.life, o.refresh = 2*time.Second, true })
	v := w.atProvider()
	for range 3 {
		if !v.signed() {
			t.Fatal("the session is not renewed")
		}
	}
	// Expired meanwhile, and asked for by many at once: each refresh token is good once.
	o.later(2100 * time.Millisecond)
	all := make(chan bool)
	for range 8 {
		go func() { all <- v.get("/t/Order").status == http.StatusOK }()
	}
	for range 8 {
		if !<-all {
			t.Error("one of several requests at once lost the session")
		}
	}
	// A refresh token of another person's is none.
	o.set(func() {
		for k := range o.tokens {
			o.tokens[k] = "somebody-else"
		}
	})
	o.later(2100 * time.Millisecond)
	if v.signed() {
		t.Error("the session became another person's")
	}
	if o.renewed < 4 {
		t.Errorf("renewed %d times", o.renewed)
	}
}

// Without a refresh token, a session ends with its token.
func TestSessionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSessionsEnd
	w, o := withProvider(t, nil)
	o.set(func() { o.life = 2 * time.Second })
	v := w.atProvider()
	if !v.signed() {
		t.Fatal("not signed in")
	}
	o.later(2100 * time.Millisecond)
	if v.signed() {
		t.Error("the session outlives its token")
	}
}

func TestServersShareSessions(t *testing.T) {
	t.Parallel()
	w, _ := withProvider(t, nil)
	second, err := New(w.config)
	must(t, err)
	server := httptest.NewServer(second)
	t.Cleanup(server.Close)
	v := w.atProvider()
	there := &visitor{&world{t: t, server: server}, v.c}
	if !there.signed() {
		t.Fatal("the other server does not know the session")
	}
	at, _ := url.Parse(w.server.URL + "/portal/")
	copied := w.visitor()
	copied.c.Jar.SetCookies(at, v.c.Jar.Cookies(at))
	there.do("POST", "/sign-out", nil)
	if v.signed() || there.signed() || copied.signed() || len(v.c.Jar.Cookies(at)) > 0 {
		t.Error("signed out at one server, and not at the other")
	}
	other, err := New(func() Config { c := w.config; c.SessionKey = nil; return c }())
	must(t, err)
	stranger := httptest.NewServer(other)
	t.Cleanup(stranger.Close)
	if (&visitor{&world{t: t, server: stranger}, w.atProvider().c}).signed() {
		t.Error("a server without the key opens a session")
	}
}

// The table is nothing to the application role, and a server that finds otherwise refuses.
func TestApplicationHasNoRightOnSessions(t *testing.T) {
	t.Parallel()
	w, _ := withProvider(t, nil)
	w.atProvider()
	ctx, app := context.Background(), w.db.Roles["app"]
	conn := w.db.Conn(t, w.db.As(t, app))
	for _, sql := range []string{"select id from moat.portal_session", "delete from moat.portal_session",
		"update moat.portal_session set expires = now()", "truncate moat.portal_session",
		"insert into moat.portal_session values ('', '', now(), now(), null, '')"} {
		if _, err := conn.Exec(ctx, sql); err == nil {
			t.Errorf("the application role may %s", sql)
		}
	}
	for _, right := range []string{"select (id)", "delete"} {
		w.db.Exec(t, "grant "+right+" on moat.portal_session to "+app)
		if err := w.portal.Prepare(ctx); err == nil || !strings.Contains(err.Error(), app) {
			t.Errorf("%s granted: %v", right, err)
		}
		w.db.Exec(t, "revoke "+right+" on moat.portal_session from "+app)
	}
	must(t, w.portal.Prepare(ctx))
}

// Over TLS the cookies are bound to the host.
func TestHostCookies(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSessionBelongsToItsHost
	w, _ := withProvider(t, func(c *Config) { c.SecureCookies = true })
	a := w.visitor().get("/sign-in/at/0")
	for _, want := range []string{"__Host-moat_attempt=", "Path=/;", "Secure", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(a.header.Get("Set-Cookie"), want) {
			t.Errorf("the cookie %q lacks %s", a.header.Get("Set-Cookie"), want)
		}
	}
	if to := a.header.Get("Location"); !strings.Contains(to, url.QueryEscape("https://"+w.server.Listener.Addr().String()+
		"/portal/sign-in/back")) {
		t.Errorf("the provider sends back to %s", to)
	}
}
