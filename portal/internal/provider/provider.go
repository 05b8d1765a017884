// Package provider signs people in at OpenID providers: the authorization code flow with
// PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636), and keeps them signed in.
//
// Who somebody is, is what the ID token says; no access token is kept. The verifier is the
// one of package auth, with the issuer's keys, for tokens that were given to this client.
package provider

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/webaddress"
)

// Config is one provider. Issuer and ClientID are required.
type Config struct {
	// Issuer is the iss of its ID tokens, and where its discovery document is.
	Issuer string
	// ClientID is what the provider knows the portal by.
	ClientID string
	// ClientSecret proves it; empty for a public client, which PKCE alone protects.
	ClientSecret auth.Secret
	// Name is the provider's for people; empty means the host of Issuer.
	Name string
	// Scopes are asked for; empty means openid, profile and email.
	Scopes []string
	// Hosts are those of the portal where the provider is offered; empty means all.
	Hosts []string
}

// Provider is one provider. It is safe for concurrent use.
type Provider struct {
	Config
	verifier *auth.Verifier
	client   *http.Client
	busy     chan struct{} // bounds what strangers can make the portal ask of the provider

	mu      sync.Mutex
	found   *found
	problem error
	again   time.Time // when the document is to be read again
}

// found is what the discovery document says.
type found struct {
	endpoint   oauth2.Endpoint
	endSession string
	sendsIss   bool // each answer names its issuer (RFC 9207)
}

const (
	busyAtOnce    = 16
	keepFound     = time.Hour
	keepProblem   = 5 * time.Second
	maxAnswer     = 1 << 20
	defaultScopes = "openid profile email"
)

// New returns a Provider, whose ID tokens the verifier accepts. It does no I/O: a provider
// that is away does not keep the portal from serving.
func New(c Config, verifier *auth.Verifier, client *http.Client) (*Provider, error) {
	if err := webaddress.Check(c.Issuer); err != nil {
		return nil, fmt.Errorf("provider %s: %w", c.Issuer, err)
	}
	if c.ClientID == "" {
		return nil, fmt.Errorf("provider %s: no client id", c.Issuer)
	}
	if len(c.Scopes) == 0 {
		c.Scopes = strings.Fields(defaultScopes)
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	if u, err := url.Parse(c.Issuer); c.Name == "" && err == nil {
		c.Name = u.Host
	}
	client = webaddress.Client(client)
	client.Transport = bounded{client.Transport}
	return &Provider{Config: c, verifier: verifier, client: client, busy: make(chan struct{}, busyAtOnce)}, nil
}

// bounded cuts off answers that are longer than any of a provider's.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := webaddress.Check(r.URL.String()); err != nil {
		return nil, err
	}
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	answer, err := next.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// ErrAway is returned when a provider does not answer, or not sensibly.
var ErrAway = errors.New("the provider cannot be reached")

// find reads the discovery document, again from time to time. While the provider is away
// what was read before stays in use.
func (p *Provider) find(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.again) {
		return p.found, p.problem
	}
	f, err := p.discover(context.WithoutCancel(ctx))
	if err == nil {
		p.found, p.problem, p.again = f, nil, time.Now().Add(keepFound)
		return f, nil
	}
	p.again = time.Now().Add(keepProblem)
	if p.found == nil {
		p.problem = fmt.Errorf("%w: discovery of %s: %w", ErrAway, p.Issuer, err)
	}
	return p.found, p.problem
}

func (p *Provider) discover(ctx context.Context) (*found, error) {
	d, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		EndSession string   `json:"end_session_endpoint"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		SendsIss   bool     `json:"authorization_response_iss_parameter_supported"`
	}
	if err := d.Claims(&more); err != nil {
		return nil, err
	}
	f := &found{d.Endpoint(), more.EndSession, more.SendsIss}
	f.endpoint.AuthStyle = oauth2.AuthStyleInHeader
	post := len(more.Methods) > 0 && !slices.Contains(more.Methods, "client_secret_basic")
	if p.ClientSecret == "" || post {
		f.endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	for _, address := range []string{f.endpoint.AuthURL, f.endpoint.TokenURL} {
		if err := webaddress.Check(address); err != nil {
			return nil, err
		}
	}
	if webaddress.Check(f.endSession) != nil {
		f.endSession = ""
	}
	return f, nil
}

func (p *Provider) oauth(f *found, redirect string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: string(p.ClientSecret), Endpoint: f.endpoint,
		RedirectURL: redirect, Scopes: p.Scopes}
}

// Attempt is a sign-in under way. It stays with the browser that began it.
type Attempt struct {
	Issuer   string `json:"i"`
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of PKCE
	Redirect string `json:"r"`
	Ends     int64  `json:"e"` // Unix time
}

// Begin returns where to send the browser, which comes back to redirect.
func (p *Provider) Begin(ctx context.Context, redirect string, ends time.Time) (string, Attempt, error) {
	f, err := p.find(ctx)
	if err != nil {
		return "", Attempt{}, err
	}
	a := Attempt{Issuer: p.Issuer, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Redirect: redirect, Ends: ends.Unix()}
	return p.oauth(f, redirect).AuthCodeURL(a.State, oauth2.S256ChallengeOption(a.Verifier), oidc.Nonce(a.Nonce)), a, nil
}

// Tokens are what a provider gave.
type Tokens struct {
	ID       string
	Refresh  string // may be empty
	Identity auth.Identity
}

// RefusedError is returned when an answer is not one to the attempt, or the provider says
// no. It holds nothing secret.
type RefusedError struct{ Why string }

func (e *RefusedError) Error() string { return "the sign-in was refused: " + e.Why }

func refused(why string) error { return &RefusedError{why} }

// Finish takes the answer to an attempt.
func (p *Provider) Finish(ctx context.Context, a Attempt, answer url.Values) (Tokens, error) {
	f, err := p.find(ctx)
	if err != nil {
		return Tokens{}, err
	}
	if !same(answer.Get("state"), a.State) {
		return Tokens{}, refused("state")
	}
	if iss := answer.Get("iss"); iss != p.Issuer && (iss != "" || f.sendsIss) {
		return Tokens{}, refused("iss")
	}
	if answer.Get("error") != "" || answer.Get("code") == "" {
		return Tokens{}, refused("the provider gave no code")
	}
	t, err := p.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return p.oauth(f, a.Redirect).Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	})
	if err != nil {
		return Tokens{}, err
	}
	return p.verified(ctx, t, func(c claims) bool { return same(c.Nonce, a.Nonce) })
}

func same(a, b string) bool { return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Renew takes new tokens for those of the same person.
func (p *Provider) Renew(ctx context.Context, old Tokens) (Tokens, error) {
	f, err := p.find(ctx)
	if err != nil {
		return Tokens{}, err
	}
	t, err := p.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return p.oauth(f, "").TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	})
	if err != nil {
		return Tokens{}, err
	}
	before, err := claimsOf(old.ID)
	if err != nil {
		return Tokens{}, err
	}
	// OpenID Connect Core 1.0, 12.2; a nonce need not be there again.
	n, err := p.verified(ctx, t, func(c claims) bool {
		return c.Issuer == before.Issuer && c.Subject == before.Subject && (c.Nonce == "" || c.Nonce == before.Nonce)
	})
	if n.Refresh == "" {
		n.Refresh = old.Refresh
	}
	return n, err
}

// ask asks the token endpoint. What the provider says stays with it: it may quote a code.
func (p *Provider) ask(ctx context.Context, do func(context.Context) (*oauth2.Token, error)) (*oauth2.Token, error) {
	select {
	case p.busy <- struct{}{}:
		defer func() { <-p.busy }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t, err := do(oidc.ClientContext(ctx, p.client))
	var no *oauth2.RetrieveError
	switch {
	case errors.As(err, &no) && no.Response != nil && no.Response.StatusCode < http.StatusInternalServerError:
		return nil, refused("the token endpoint answered " + no.Response.Status)
	case err != nil:
		return nil, fmt.Errorf("%w: the token endpoint of %s", ErrAway, p.Issuer)
	}
	return t, nil
}

// claims are those that package auth does not look at.
type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Nonce    string          `json:"nonce"`
	Party    string          `json:"azp"`
	Audience json.RawMessage `json:"aud"`
}

// verified verifies an ID token (OpenID Connect Core 1.0, 3.1.3.7), and what the caller
// knows of it.
func (p *Provider) verified(ctx context.Context, t *oauth2.Token, known func(claims) bool) (Tokens, error) {
	id, _ := t.Extra("id_token").(string)
	if id == "" {
		return Tokens{}, refused("the provider gave no ID token")
	}
	identity, err := p.Verify(ctx, id)
	if err != nil {
		return Tokens{}, err
	}
	var c claims
	if err := json.Unmarshal(identity.Claims, &c); err != nil || !known(c) {
		return Tokens{}, refused("nonce or subject")
	}
	return Tokens{ID: id, Refresh: t.RefreshToken, Identity: identity}, nil
}

// Verify returns who an ID token of this provider is of. One of another provider is refused,
// although it may be good there.
func (p *Provider) Verify(ctx context.Context, id string) (auth.Identity, error) {
	identity, err := p.verifier.Verify(ctx, id)
	if err != nil {
		return auth.Identity{}, err
	}
	var c claims
	if err := json.Unmarshal(identity.Claims, &c); err != nil || identity.Issuer != p.Issuer || c.Subject == "" {
		return auth.Identity{}, refused("issuer or subject")
	}
	several := len(c.Audience) > 0 && c.Audience[0] == '[' && strings.Contains(string(c.Audience), ",")
	if c.Party != p.ClientID && (c.Party != "" || several) {
		return auth.Identity{}, refused("azp")
	}
	return identity, nil
}

// claimsOf reads a token that was verified when it came.
func claimsOf(id string) (c claims, err error) {
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		return c, refused("form")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return c, refused("form")
	}
	return c, json.Unmarshal(text, &c)
}

// SignOut is where to send the browser for the provider to sign it out (OpenID Connect
// RP-Initiated Logout 1.0, 2), to come back to back; "" where it has no such place.
func (p *Provider) SignOut(ctx context.Context, id, back string) string {
	f, err := p.find(ctx)
	if err != nil || f.endSession == "" {
		return ""
	}
	u, err := url.Parse(f.endSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("id_token_hint", id)
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}
