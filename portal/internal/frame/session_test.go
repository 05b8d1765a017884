package frame

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func sessions(t *testing.T, secret, cookie string) *Sessions {
	t.Helper()
	return (&Frame{Config: Config{Now: time.Now}, secret: sessionSecret([]byte(secret))}).Sessions(cookie, "/")
}

// of is the session of a request; that there is one must not be in doubt.
func of(t *testing.T, s *Sessions, r *http.Request) *Session {
	t.Helper()
	one, err := s.Of(r)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

// browse returns a request with the cookies that an answer set over those of an earlier one.
func browse(earlier *http.Request, w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	set := map[string]bool{}
	for _, c := range w.Result().Cookies() {
		if set[c.Name] = true; c.MaxAge >= 0 {
			r.AddCookie(c)
		}
	}
	for _, c := range earlier.Cookies() {
		if !set[c.Name] {
			r.AddCookie(c)
		}
	}
	return r
}

func signIn(t *testing.T, s *Sessions, r *http.Request, token string) *http.Request {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.Start(w, r, &Session{Token: token, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return browse(r, w)
}

// A session is what its cookie says, to every server with the key, and to none without;
// it is kept nowhere, so nobody's sign-ins push it out.
func TestSessionsLiveInTheirCookies(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewRequest(http.MethodGet, "/", nil)
	here := sessions(t, "key", "room")
	r := signIn(t, here, nobody, "a.b.c")
	for range 20_100 {
		signIn(t, here, nobody, "x.y.z")
	}
	if one := of(t, sessions(t, "key", "room"), r); one == nil || one.Token != "a.b.c" {
		t.Errorf("another server: %+v", one)
	}
	for name, other := range map[string]*Sessions{"key": sessions(t, "other", "room"), "no key": sessions(t, "", "room")} {
		if of(t, other, r) != nil {
			t.Errorf("%s: the session is accepted", name)
		}
	}
	cookie := r.Cookies()[0]
	if strings.Contains(cookie.Value, "a.b.c") {
		t.Error("the token can be read")
	}
	for name, c := range map[string]*http.Cookie{
		"another room": {Name: "desk", Value: cookie.Value}, "cut": {Name: "room", Value: cookie.Value[:len(cookie.Value)-2]},
		"changed": {Name: "room", Value: "A" + cookie.Value[1:]}, "empty": {Name: "room"},
	} {
		forged := httptest.NewRequest(http.MethodGet, "/", nil)
		forged.AddCookie(c)
		if c.Value != cookie.Value && of(t, here, forged) != nil || of(t, sessions(t, "key", "desk"), forged) != nil {
			t.Errorf("%s: the session is accepted", name)
		}
	}
}

func TestSigningOutEndsTheCookie(t *testing.T) {
	t.Parallel()
	s := sessions(t, "key", "room")
	nobody := httptest.NewRequest(http.MethodGet, "/", nil)
	r, other := signIn(t, s, nobody, "a"), signIn(t, s, nobody, "a")
	w := httptest.NewRecorder()
	if err := s.End(w, r); err != nil {
		t.Fatal(err)
	}
	if of(t, s, r) != nil || of(t, s, browse(r, w)) != nil || of(t, s, other) == nil {
		t.Error("after signing out the kept cookie opens the session, or another does not")
	}
}

// A token that no cookie can hold is spread over several, and the next one leaves nothing
// of it behind.
func TestLongTokens(t *testing.T) {
	t.Parallel()
	s := sessions(t, "key", "room")
	nobody := httptest.NewRequest(http.MethodGet, "/", nil)
	long := strings.Repeat("x", 12_000)
	r := signIn(t, s, nobody, long)
	if one := of(t, s, r); len(r.Cookies()) < 4 || one == nil || one.Token != long {
		t.Fatalf("%d cookies, %v", len(r.Cookies()), one != nil)
	}
	if r = signIn(t, s, r, "short"); len(r.Cookies()) != 1 || of(t, s, r) == nil || of(t, s, r).Token != "short" {
		t.Errorf("%d cookies", len(r.Cookies()))
	}
	if err := s.Start(httptest.NewRecorder(), nobody, &Session{Token: strings.Repeat("x", 40_000)}); err == nil {
		t.Error("a token that is too long is taken")
	}
}
