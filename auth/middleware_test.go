package auth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moat-db/moat"
)

func protected(t *testing.T, c *clock, opts MiddlewareOptions) http.Handler {
	config := issuer1(nil)
	config.Now = c.now
	return Middleware(newVerifier(t, config), opts)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, inScope := moat.ScopeFrom(r.Context())
		id, known := FromContext(r.Context())
		if !inScope || !known || s.Tenant != id.Tenant || s.Subject != id.Subject {
			t.Errorf("context holds %+v and %+v", s, id)
		}
		io.WriteString(w, string(s.Tenant))
	}))
}

func answer(h http.Handler, authorization ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "/?access_token=x", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestMiddleware(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := protected(t, c, MiddlewareOptions{})
	good := goodClaims(c)
	token := hs256(good)
	expired := hs256(with(good, map[string]any{"exp": c.in(-time.Hour)}))
	early := hs256(with(good, map[string]any{"nbf": c.in(time.Hour)}))
	unborn := hs256(with(good, map[string]any{"iat": c.in(time.Hour)}))
	foreign := hs256(with(good, map[string]any{"aud": "other"}))

	const plain, bad = `Bearer realm="moat"`, `Bearer realm="moat", error="invalid_token"`
	body := func(code, message string) string {
		return `{"code":"` + code + `","message":"` + message + `","details":null,"hint":null}` + "\n"
	}
	anonymous, wrong := body("PGRST302", "Anonymous access is disabled"), body("PGRST301", "JWT invalid")
	for _, tt := range []struct {
		name          string
		authorization []string
		status        int
		challenge     string
		body          string
	}{
		{"good", []string{"Bearer " + token}, 200, "", tenantA},
		{"scheme in lower case", []string{"bearer " + token}, 200, "", tenantA},
		{"several blanks", []string{"BEARER   " + token + " "}, 200, "", tenantA},
		{"no header", nil, 401, plain, anonymous},
		{"empty header", []string{""}, 401, plain, anonymous},
		{"scheme alone", []string{"Bearer"}, 401, plain, anonymous},
		{"no token after it", []string{"Bearer  "}, 401, plain, anonymous},
		{"another scheme", []string{"Basic dTpw"}, 401, plain, anonymous},
		{"token without scheme", []string{token}, 401, plain, anonymous},
		{"two headers", []string{"Bearer " + token, "Bearer " + token}, 401, bad, wrong},
		{"two tokens", []string{"Bearer " + token + ", Bearer " + token}, 401, bad, wrong},
		{"tab", []string{"Bearer \t" + token}, 401, bad, wrong},
		{"oversized", []string{"Bearer " + strings.Repeat("x", maxTokenBytes+1)}, 401, bad, wrong},
		{"garbage", []string{"Bearer garbage"}, 401, bad, wrong},
		{"expired", []string{"Bearer " + expired}, 401, bad, body("PGRST303", "JWT expired")},
		{"issued later", []string{"Bearer " + unborn}, 401, bad, body("PGRST303", "JWT issued at future")},
		{"not yet valid", []string{"Bearer " + early}, 401, bad, body("PGRST303", "JWT not yet valid")},
		{"for another audience", []string{"Bearer " + foreign}, 401, bad,
			body("PGRST303", "JWT not in audience")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp := answer(h, tt.authorization...)
			got, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || resp.Header.Get("WWW-Authenticate") != tt.challenge {
				t.Errorf("%d, %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
			}
			if diff := cmp.Diff(tt.body, string(got)); diff != "" {
				t.Error(diff)
			}
			if tt.status == 401 && resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Error(resp.Header)
			}
		})
	}
}

// Every hostile token, as a request: 401, a challenge, and no word of the token.
func TestMiddlewareTellsNothing(t *testing.T) {
	t.Parallel()
	c := newClock()
	h := Middleware(hostileIssuers(t, c), MiddlewareOptions{})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a hostile token got through")
	}))
	good := goodClaims(c)
	for _, group := range [][]hostile{
		hostileAlgorithms(good), hostileKeyIDs(good), hostileHeaders(good),
		hostileTimes(c, good), hostileNames(good), hostileForms(good), hostileTenants(good),
	} {
		for _, hostile := range group {
			if hostile.token[0] == ' ' {
				continue // blanks around a token belong to the header
			}
			resp := answer(h, "Bearer "+hostile.token)
			got, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusUnauthorized ||
				resp.Header.Get("WWW-Authenticate") != `Bearer realm="moat", error="invalid_token"` {
				t.Errorf("%s: %d, %q", hostile.name, resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
			}
			refused := Describe(&TokenError{Reason: hostile.reason})
			want := `{"code":"` + refused.Code + `","message":"` + refused.Message + `","details":null,"hint":null}` + "\n"
			if string(got) != want {
				t.Errorf("%s: the answer tells more than the reason: %s", hostile.name, got)
			}
		}
	}
}

func TestMiddlewareOptions(t *testing.T) {
	t.Parallel()
	var seen error
	h := protected(t, newClock(), MiddlewareOptions{
		Realm: `a "b" \`,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			seen = err
			w.WriteHeader(http.StatusTeapot)
		},
	})
	resp := answer(h)
	if resp.StatusCode != http.StatusTeapot || resp.Header.Get("WWW-Authenticate") != `Bearer realm="a \"b\" \\"` {
		t.Errorf("%d, %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
	if !errors.Is(seen, ErrNoToken) {
		t.Errorf("error %v", seen)
	}
	answer(h, "Bearer x")
	var refused *TokenError
	if !errors.As(seen, &refused) || refused.Reason != Invalid {
		t.Errorf("error %v", seen)
	}
}

func TestVerifyWithoutToken(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, issuer1(nil))
	if _, err := v.Verify(t.Context(), ""); !errors.Is(err, ErrNoToken) {
		t.Errorf("error %v", err)
	}
}
