package idp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const back = "https://portal.example/back"

func serve(t *testing.T) (*Provider, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	p, err := New(Config{Issuer: "http://" + server.Listener.Addr().String() + "/id", Client: "portal", Secret: "s +",
		Back: func(address string) bool { return address == back },
		Accounts: func(*http.Request) ([]Account, error) {
			return []Account{{"1", "<One>"}}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return p, server
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Codes and refresh tokens are good once, for who asked for them, and for a while.
func TestGrantsAreGoodOnce(t *testing.T) {
	t.Parallel()
	p, _ := serve(t)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := url.Values{"client_id": {"portal"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge_method": {"S256"}, "code_challenge": {challenge("verifier")}, "state": {"s"}, "nonce": {"n"}}
	code := func() string {
		t.Helper()
		res, err := client.PostForm(p.Issuer+"/authorize?"+ask.Encode(), url.Values{"name": {"Ada"},
			"email": {"Ada@client.example"}, "account": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		at, err := res.Location()
		if err != nil || !strings.HasPrefix(at.String(), back) || at.Query().Get("state") != "s" {
			t.Fatalf("sent back to %v: %v", at, err)
		}
		return at.Query().Get("code")
	}
	token := func(secret string, form url.Values) (int, map[string]any) {
		t.Helper()
		r, _ := http.NewRequest("POST", p.Issuer+"/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("portal", url.QueryEscape(secret))
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, out
	}
	exchange := func(code, verifier, redirect string) url.Values {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
			"redirect_uri": {redirect}}
	}
	first := code()
	status, got := token("s +", exchange(first, "verifier", back))
	if status != http.StatusOK || got["id_token"] == "" {
		t.Fatalf("%d %v", status, got)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got["refresh_token"].(string)}}
	if status, _ := token("s +", refresh); status != http.StatusOK {
		t.Errorf("a refresh token: %d", status)
	}
	for name, form := range map[string]url.Values{"a used code": exchange(first, "verifier", back),
		"a used refresh token": refresh,
		"another verifier":     exchange(code(), "other", back), "another address": exchange(code(), "verifier", "https://x"),
		"no grant": {}} {
		if status, got := token("s +", form); status != http.StatusBadRequest || got["id_token"] != nil {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _ := token("wrong", exchange(code(), "verifier", back)); status != http.StatusUnauthorized {
		t.Errorf("another secret: %d", status)
	}
	late := code()
	g := p.codes[late]
	g.ends = time.Now().Add(-time.Second)
	p.codes[late] = g
	if status, _ := token("s +", exchange(late, "verifier", back)); status != http.StatusBadRequest {
		t.Errorf("a code that is over: %d", status)
	}
}

// Nothing is sent to an address that is not the client's.
func TestStrangersGetNothing(t *testing.T) {
	t.Parallel()
	p, server := serve(t)
	good := url.Values{"client_id": {"portal"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge_method": {"S256"}, "code_challenge": {"x"}}
	get := func(q url.Values) (int, string) {
		t.Helper()
		res, err := server.Client().Get(p.Issuer + "/authorize?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if status, body := get(good); status != http.StatusOK || !strings.Contains(body, "&lt;One&gt;") ||
		!strings.Contains(body, `action="?client_id=portal&amp;`) {
		t.Fatalf("%d %s", status, body)
	}
	for name, value := range map[string]string{"client_id": "x", "redirect_uri": back + "/x", "response_type": "token",
		"scope": "profile", "code_challenge_method": "plain", "code_challenge": ""} {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		q.Set(name, value)
		if status, _ := get(q); status != http.StatusBadRequest {
			t.Errorf("%s %q: %d", name, value, status)
		}
	}
}
