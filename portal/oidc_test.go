package portal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is an OpenID provider: it signs in, without asking, whoever comes to it.
type issuer struct {
	t      *testing.T
	server *httptest.Server
	key    *rsa.PrivateKey

	mu      sync.Mutex
	time    time.Time // stands still: the clock of the provider and of the portal
	subject string
	change  func(jwt.MapClaims) // of the next ID tokens
	life    time.Duration
	refresh bool
	codes   map[string]url.Values // authorization requests, by code
	tokens  map[string]string     // refresh token to subject
	renewed int
	ended   []url.Values // calls of the end-session endpoint
}

// issuerKey is a key that issuers share: it takes long to find another.
var issuerKey = sync.OnceValue(newKey)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	o := &issuer{t: t, key: issuerKey(), time: time.Now(), subject: "user-4711", life: time.Hour,
		codes:  map[string]url.Values{},
		tokens: map[string]string{}}
	mux := http.NewServeMux()
	o.server = httptest.NewServer(mux)
	t.Cleanup(o.server.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", o.document)
	mux.HandleFunc("GET /keys", o.keys)
	mux.HandleFunc("GET /authorize", o.authorize)
	mux.HandleFunc("POST /token", o.token)
	mux.HandleFunc("GET /end", o.end)
	return o
}

func (o *issuer) document(w http.ResponseWriter, _ *http.Request) {
	at := o.server.URL
	reply(w, http.StatusOK, map[string]any{"issuer": at, "jwks_uri": at + "/keys",
		"authorization_endpoint": at + "/authorize",
		"token_endpoint":         at + "/token", "end_session_endpoint": at + "/end",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "authorization_response_iss_parameter_supported": true})
}

func (o *issuer) keys(w http.ResponseWriter, _ *http.Request) {
	b64 := base64.RawURLEncoding.EncodeToString
	reply(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "kid": "one", "alg": "RS256",
		"use": "sig", "n": b64(o.key.N.Bytes()), "e": b64(big.NewInt(int64(o.key.E)).Bytes())}}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (o *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := r.URL.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" ||
		q.Get("client_id") != "moat-portal" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	o.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {o.server.URL}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (o *issuer) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	if id != "moat-portal" || secret != "portal-secret" {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	subject, nonce := o.subject, ""
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		q, ok := o.codes[r.PostFormValue("code")]
		delete(o.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !ok || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) ||
			q.Get("redirect_uri") != r.PostFormValue("redirect_uri") {
			reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		nonce = q.Get("nonce")
	case "refresh_token":
		old := r.PostFormValue("refresh_token")
		if subject = o.tokens[old]; subject == "" { // each is good once
			reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		delete(o.tokens, old)
		o.renewed++
	}
	out := map[string]any{"access_token": "unused", "token_type": "Bearer", "id_token": o.sign(subject, nonce)}
	if o.refresh {
		next := rand.Text()
		o.tokens[next], out["refresh_token"] = subject, next
	}
	reply(w, http.StatusOK, out)
}

func (o *issuer) sign(subject, nonce string) string {
	c := jwt.MapClaims{"iss": o.server.URL, "aud": "moat-portal", "sub": subject, "nonce": nonce, "tenant_id": "1",
		"exp": o.time.Add(o.life).Unix(), "iat": o.time.Unix(), "name": "Ada Meyer", "email": "ada@client.example",
		"jti": rand.Text()}
	if o.change != nil {
		o.change(c)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	t.Header["kid"] = "one"
	signed, err := t.SignedString(o.key)
	must(o.t, err)
	return signed
}

func (o *issuer) end(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = append(o.ended, r.URL.Query())
	http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusFound)
}

// set changes what the provider says from now on.
func (o *issuer) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *issuer) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.time
}

// later lets time pass.
func (o *issuer) later(d time.Duration) { o.set(func() { o.time = o.time.Add(d) }) }

// begin sends a visitor to the provider, and returns the address that it sends back to.
func (v *visitor) begin() string {
	v.w.t.Helper()
	return v.beginAt("")
}

// beginAt does for the room at a path.
func (v *visitor) beginAt(room string) string {
	v.w.t.Helper()
	a := v.get(room + "/sign-in/at/0")
	if a.status != http.StatusSeeOther {
		v.w.t.Fatalf("to the provider: %d\n%s", a.status, a.body)
	}
	res, err := v.c.Get(a.header.Get("Location"))
	must(v.w.t, err)
	res.Body.Close()
	return strings.TrimPrefix(res.Header.Get("Location"), v.w.server.URL)
}

// atProvider signs a visitor in.
func (w *world) atProvider() *visitor {
	w.t.Helper()
	v := w.visitor()
	if a := v.get(v.begin()); a.status != http.StatusSeeOther || a.header.Get("Location") != "/portal/dashboard" {
		w.t.Fatalf("signed in at the provider: %d %s\n%s", a.status, a.header.Get("Location"), a.body)
	}
	return v
}

// signed is whether a visitor sees its rows.
func (v *visitor) signed() bool {
	v.w.t.Helper()
	a := v.get("/t/Order")
	if a.status == http.StatusOK != strings.Contains(a.body, "MARK-A") || strings.Contains(a.body, "MARK-B") {
		v.w.t.Fatalf("%d: rows of another tenant, or none", a.status)
	}
	return a.status == http.StatusOK
}
