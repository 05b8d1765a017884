// Package idp is a small OpenID provider for demonstrations and tests: it speaks the
// authorization code flow with PKCE, renews tokens, and signs out (OpenID Connect Core 1.0,
// Discovery 1.0, RP-Initiated Logout 1.0).
//
// It believes everybody: whoever opens it says who they are, and gets a token that says so.
// Nothing that serves real people may trust it.
package idp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

//go:embed form.html
var formText string

// Config is what a Provider offers. Issuer, Client and Back are required.
type Config struct {
	// Issuer is the address that the provider is served at, without a slash at its end.
	Issuer string
	// Name is the provider's for people; empty means "Sign in".
	Name string
	// Client is the one client id, Secret what it proves itself with; empty: by PKCE alone.
	Client, Secret string
	// Back says whether a redirect address is the client's, to come back to after signing in or
	// out.
	Back func(address string) bool
	// Accounts are offered to choose one from; its key is the claim tenant_id. Nil: none.
	Accounts func(*http.Request) ([]Account, error)
	// Subject is the sub of an e-mail address; nil: a hash of it.
	Subject func(email string) string
	// Life is how long an ID token is good; zero means five minutes.
	Life time.Duration
}

// Account is a tenant that somebody can sign in for.
type Account struct{ Key, Name string }

// Provider is the handler of everything below its Issuer. It is safe for concurrent use.
type Provider struct {
	Config
	key  *ecdsa.PrivateKey
	mux  *http.ServeMux
	form *template.Template

	mu       sync.Mutex
	codes    map[string]grant
	renewals map[string]grant
}

// grant is what a code or a refresh token stands for.
type grant struct {
	person                     person
	nonce, challenge, redirect string
	ends                       time.Time
}

type person struct{ Subject, Name, Email, Account string }

const (
	codeLife    = time.Minute
	renewalLife = 12 * time.Hour
	maxGrants   = 10_000
)

// New returns a Provider, with a key of its own.
func New(c Config) (*Provider, error) {
	if c.Life == 0 {
		c.Life = 5 * time.Minute
	}
	if c.Name == "" {
		c.Name = "Sign in"
	}
	if c.Subject == nil {
		c.Subject = hashed
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &Provider{Config: c, key: key, mux: http.NewServeMux(), codes: map[string]grant{}, renewals: map[string]grant{}}
	if p.form, err = template.New("form").Parse(formText); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, err
	}
	p.mux.HandleFunc("GET "+u.Path+"/.well-known/openid-configuration", p.document)
	p.mux.HandleFunc("GET "+u.Path+"/keys", p.keys)
	p.mux.HandleFunc("GET "+u.Path+"/authorize", p.ask)
	p.mux.HandleFunc("POST "+u.Path+"/authorize", p.authorize)
	p.mux.HandleFunc("POST "+u.Path+"/token", p.token)
	p.mux.HandleFunc("GET "+u.Path+"/end", p.end)
	return p, nil
}

// ServeHTTP serves a request.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

func (p *Provider) document(w http.ResponseWriter, _ *http.Request) {
	method := "client_secret_basic"
	if p.Secret == "" {
		method = "none"
	}
	answer(w, http.StatusOK, map[string]any{"issuer": p.Issuer, "jwks_uri": p.Issuer + "/keys",
		"authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token",
		"end_session_endpoint": p.Issuer + "/end", "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{method},
		"scopes_supported": []string{"openid", "profile", "email", "offline_access"},
		"authorization_response_iss_parameter_supported": true})
}

const keyID = "one"

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	point, err := p.key.PublicKey.Bytes() // 4, then X and Y of 32 bytes each
	if err != nil {
		http.Error(w, "no key", http.StatusInternalServerError)
		return
	}
	b64 := base64.RawURLEncoding.EncodeToString
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": keyID,
		"alg": "ES256", "use": "sig", "x": b64(point[1:33]), "y": b64(point[33:])}}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone cannot be told
}

// wrong says why a request for a code is none; its sender may be anybody, so nothing is sent
// back to the address it names.
func (p *Provider) wrong(q url.Values) string {
	switch {
	case q.Get("client_id") != p.Client:
		return "The client is not known."
	case !p.Back(q.Get("redirect_uri")):
		return "The redirect address is not the client's."
	case q.Get("response_type") != "code" || !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return "Only codes of OpenID Connect are given."
	case q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "":
		return "PKCE by S256 is required."
	}
	return ""
}

// ask shows the form of who signs in.
func (p *Provider) ask(w http.ResponseWriter, r *http.Request) {
	if why := p.wrong(r.URL.Query()); why != "" {
		http.Error(w, why, http.StatusBadRequest)
		return
	}
	var accounts []Account
	if p.Accounts != nil {
		var err error
		if accounts, err = p.Accounts(r); err != nil {
			http.Error(w, "The accounts cannot be read.", http.StatusServiceUnavailable)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	_ = p.form.Execute(w, map[string]any{"Name": p.Name, "Action": template.URL("?" + r.URL.RawQuery),
		"Accounts": accounts})
}

// authorize sends the browser back with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if why := p.wrong(q); why != "" {
		http.Error(w, why, http.StatusBadRequest)
		return
	}
	email := strings.ToLower(strings.TrimSpace(r.PostFormValue("email")))
	if email == "" {
		http.Error(w, "Say your e-mail address.", http.StatusUnprocessableEntity)
		return
	}
	one := person{p.Subject(email), r.PostFormValue("name"), email, r.PostFormValue("account")}
	code := p.keep(p.codes, grant{one, q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri"),
		time.Now().Add(codeLife)})
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer}}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
}

func hashed(email string) string {
	sum := sha256.Sum256([]byte(email))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// keep keeps a grant under a name that nobody can guess.
func (p *Provider) keep(among map[string]grant, g grant) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(among) >= maxGrants {
		clear(among)
	}
	name := rand.Text()
	among[name] = g
	return name
}

// take takes a grant, once.
func (p *Provider) take(among map[string]grant, name string) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, found := among[name]
	delete(among, name)
	return g, found && time.Now().Before(g.ends)
}

// token gives tokens for a code or a refresh token; each is good once.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id = r.PostFormValue("client_id")
	}
	id, _ = url.QueryUnescape(id) // RFC 6749, 2.3.1: both are form-encoded
	secret, _ = url.QueryUnescape(secret)
	if id != p.Client || secret != p.Secret {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	var g grant
	ok := false
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		g, ok = p.take(p.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		ok = ok && g.challenge == base64.RawURLEncoding.EncodeToString(sum[:]) &&
			g.redirect == r.PostFormValue("redirect_uri")
	case "refresh_token":
		g, ok = p.take(p.renewals, r.PostFormValue("refresh_token"))
		g.nonce = ""
	}
	signed, err := p.sign(g)
	if !ok || err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	g.ends = time.Now().Add(renewalLife)
	answer(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer", "id_token": signed,
		"refresh_token": p.keep(p.renewals, g), "expires_in": int(p.Life.Seconds())})
}

func (p *Provider) sign(g grant) (string, error) {
	now := time.Now()
	c := jwt.MapClaims{"iss": p.Issuer, "aud": p.Client, "sub": g.person.Subject, "iat": now.Unix(),
		"exp": now.Add(p.Life).Unix(), "email": g.person.Email, "email_verified": true, "name": g.person.Name,
		"jti": rand.Text()}
	if g.nonce != "" {
		c["nonce"] = g.nonce
	}
	if g.person.Account != "" {
		c["tenant_id"], c["role"] = g.person.Account, "client"
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	t.Header["kid"] = keyID
	return t.SignedString(p.key)
}

// end sends the browser back after signing out: the provider itself keeps nobody signed in.
func (p *Provider) end(w http.ResponseWriter, r *http.Request) {
	back := r.URL.Query().Get("post_logout_redirect_uri")
	if !p.Back(back) {
		_, _ = w.Write([]byte("You are signed out."))
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}
