package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/provider"
)

const (
	// attemptCookie holds a sign-in under way; whoever has another browser has not begun it.
	attemptCookie = "moat_attempt"
	attemptTime   = 10 * time.Minute
	// renewBefore is how long before a token's end it is renewed.
	renewBefore = time.Minute
)

// way is one provider on the page of sign-ins.
type way struct{ Name, Href string }

// ways are the providers that a host offers.
func (p *Pages) ways(r *http.Request) []way {
	var all []way
	for i, one := range p.Providers {
		if offered(one, r.Host) {
			all = append(all, way{one.Name, frame.Base + "/sign-in/at/" + strconv.Itoa(i)})
		}
	}
	return all
}

func offered(one *provider.Provider, host string) bool {
	return len(one.Hosts) == 0 || slices.ContainsFunc(one.Hosts, func(h string) bool {
		return strings.EqualFold(h, frame.Hostname(host))
	})
}

func (p *Pages) provider(issuer string) *provider.Provider {
	for _, one := range p.Providers {
		if one.Issuer == issuer {
			return one
		}
	}
	return nil
}

// here is a page of the portal as the visitor's browser knows it.
func (p *Pages) here(r *http.Request, path string) string {
	scheme := "http"
	if p.Secure(r) {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host, Path: frame.Base + path}).String()
}

// signInAt sends the browser to a provider.
func (p *Pages) signInAt(w http.ResponseWriter, r *http.Request) error {
	i, err := strconv.Atoi(r.PathValue("provider"))
	if err != nil || i < 0 || i >= len(p.Providers) || !offered(p.Providers[i], r.Host) {
		return frame.ErrNotFound
	}
	address, attempt, err := p.Providers[i].Begin(r.Context(), p.here(r, "/sign-in/back"), p.Now().Add(attemptTime))
	if err != nil {
		return p.notSignedIn(w, r, err)
	}
	if err := p.Remember(w, r, attemptCookie, attempt, int(attemptTime/time.Second)); err != nil {
		return err
	}
	return frame.Elsewhere(address)
}

// signInBack takes what the provider sent the browser back with, once.
func (p *Pages) signInBack(w http.ResponseWriter, r *http.Request) error {
	var a provider.Attempt
	begun := p.Recall(r, attemptCookie, &a) && p.Now().Unix() < a.Ends
	if err := p.Remember(w, r, attemptCookie, nil, 0); err != nil {
		return err
	}
	at := p.provider(a.Issuer)
	if !begun || at == nil || !offered(at, r.Host) || a.Redirect != p.here(r, "/sign-in/back") {
		return p.showSignIn(w, r, http.StatusBadRequest, "This sign-in was not begun here, or took too long. Try again.")
	}
	t, err := at.Finish(r.Context(), a, r.URL.Query())
	if err != nil {
		return p.notSignedIn(w, r, err)
	}
	s := &frame.Session{Token: t.ID, Provider: at.Issuer, Refresh: t.Refresh, Identity: t.Identity,
		Expires: p.Expiry(t.Identity.Expires)}
	if t.Refresh != "" && p.Store != nil {
		s.Expires = p.Now().Add(p.SessionTTL)
	}
	return p.enterAs(w, r, s)
}

// notSignedIn says why, as far as the visitor can do something about it.
func (p *Pages) notSignedIn(w http.ResponseWriter, r *http.Request, err error) error {
	p.Logger.Warn("portal: sign-in", "error", serving.Cause(err))
	switch {
	case r.Context().Err() != nil:
		return err
	case errors.Is(err, provider.ErrAway), errors.Is(err, auth.ErrNoKeys):
		return p.showSignIn(w, r, http.StatusServiceUnavailable,
			"The sign-in service does not answer at the moment. Try again in a minute.")
	}
	return p.showSignIn(w, r, http.StatusUnauthorized,
		"The sign-in did not work. Try again, and tell your agency if it happens again.")
}

// verify verifies a session's token again: its key, its issuer and its time may have ended.
func (p *Pages) verify(ctx context.Context, s *frame.Session) (auth.Identity, error) {
	if s.Provider == "" {
		if !p.PasteTokens {
			return auth.Identity{}, auth.ErrNoToken
		}
		return p.Verifier.Verify(ctx, s.Token)
	}
	at := p.provider(s.Provider)
	if at == nil {
		return auth.Identity{}, auth.ErrNoToken
	}
	return at.Verify(ctx, s.Token)
}

// renewed is the session with a token that is still good, nil where there is none to be had.
func (p *Pages) renewed(ctx context.Context, s *frame.Session) (*frame.Session, error) {
	identity, err := p.verify(ctx, s)
	var token *auth.TokenError
	over := errors.As(err, &token) && token.Reason == auth.Expired
	switch {
	case err != nil && !over:
		return nil, nil
	case s.Refresh == "" || p.Store == nil || p.provider(s.Provider) == nil:
		over = over || identity.Issuer == ""
	case over || p.Now().Add(renewBefore).After(identity.Expires):
		return p.renew(ctx, s, over)
	}
	if over {
		return nil, nil
	}
	s.Identity = identity
	return s, nil
}

// renew renews a session at its provider. While that is away, a token goes on until its end.
func (p *Pages) renew(ctx context.Context, s *frame.Session, over bool) (*frame.Session, error) {
	at := p.provider(s.Provider)
	now, err := p.sessions.Renew(ctx, s, func(one *frame.Session) error {
		t, err := at.Renew(ctx, provider.Tokens{ID: one.Token, Refresh: one.Refresh})
		if err == nil {
			one.Token, one.Refresh = t.ID, t.Refresh
		}
		return err
	})
	var no *provider.RefusedError
	switch {
	case errors.As(err, &no):
		p.Logger.Info("portal: session not renewed", "error", serving.Cause(err))
		return nil, p.sessions.Drop(ctx, s)
	case errors.Is(err, provider.ErrAway):
		now = s
	case err != nil:
		return nil, err
	case now != nil && over && now.Token == s.Token:
		now, err = p.sessions.Await(ctx, s)
	}
	if now == nil || err != nil && !errors.Is(err, provider.ErrAway) {
		return nil, err
	}
	if now.Identity, err = p.verify(ctx, now); err != nil {
		return nil, nil
	}
	return now, nil
}

// signedOutPage sends the browser on to the provider. A form's own redirect may not leave the
// portal: its content policy says so.
type signedOutPage struct{ Name, Href string }

func (p *Pages) signOutAt(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	at := p.provider(s.Provider)
	if at == nil {
		return frame.Elsewhere(frame.Base + "/sign-in")
	}
	href := at.SignOut(r.Context(), s.Token, p.here(r, "/sign-in"))
	if href == "" {
		return frame.Elsewhere(frame.Base + "/sign-in")
	}
	out := p.Frame.Page(r, "Signed out")
	out.Onward, out.Data = href, &signedOutPage{at.Name, href}
	return p.Render(w, http.StatusOK, "signed-out", out)
}
