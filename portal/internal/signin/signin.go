// Package signin is the way into a room of the portal, that of clients or that of operators:
// at OpenID providers, or with a token; and whether what a session was begun with is still good.
package signin

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
	attemptTime = 10 * time.Minute
	// renewBefore is how long before a token's end it is renewed.
	renewBefore = time.Minute
)

// Tokens are those that a room accepts.
type Tokens struct {
	// Providers are the OpenID providers that people sign in at.
	Providers []*provider.Provider
	// Pasted accepts tokens that are pasted into a form; nil means that none are.
	Pasted *auth.Verifier
	// Role is the role claim that a token must have; empty means any.
	Role string
}

// Door is the door of one room.
type Door struct {
	*frame.Frame
	*Tokens
	Sessions *frame.Sessions
	// Base is the room's address, below which are /sign-in/at/{provider} and /sign-in/back.
	Base string
	// Cookie holds a sign-in under way; whoever has another browser has not begun it.
	Cookie string
	// Show shows the page of sign-ins with a problem, of which Help is whom to ask, and Enter
	// signs in who came back.
	Show  func(w http.ResponseWriter, r *http.Request, status int, problem string) error
	Help  string
	Enter func(w http.ResponseWriter, r *http.Request, s *frame.Session) error
}

// Way is one provider on the page of sign-ins.
type Way struct{ Name, Href string }

// Ways are the providers that a host offers.
func (d *Door) Ways(r *http.Request) []Way {
	var all []Way
	for i, one := range d.Providers {
		if offered(one, r.Host) {
			all = append(all, Way{one.Name, d.Base + "/sign-in/at/" + strconv.Itoa(i)})
		}
	}
	return all
}

func offered(one *provider.Provider, host string) bool {
	return len(one.Hosts) == 0 || slices.ContainsFunc(one.Hosts, func(h string) bool {
		return strings.EqualFold(h, frame.Hostname(host))
	})
}

func (t *Tokens) provider(issuer string) *provider.Provider {
	for _, one := range t.Providers {
		if one.Issuer == issuer {
			return one
		}
	}
	return nil
}

// Here is a page of the room as the visitor's browser knows it.
func (d *Door) Here(r *http.Request, path string) string {
	scheme := "http"
	if d.Secure(r) {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host, Path: d.Base + path}).String()
}

// Begin sends the browser to the provider that the address names.
func (d *Door) Begin(w http.ResponseWriter, r *http.Request) error {
	i, err := strconv.Atoi(r.PathValue("provider"))
	if err != nil || i < 0 || i >= len(d.Providers) || !offered(d.Providers[i], r.Host) {
		return frame.ErrNotFound
	}
	address, attempt, err := d.Providers[i].Begin(r.Context(), d.Here(r, "/sign-in/back"), d.Now().Add(attemptTime))
	if err != nil {
		return d.refuse(w, r, err)
	}
	if err := d.Remember(w, r, d.Cookie, attempt, int(attemptTime/time.Second)); err != nil {
		return err
	}
	return frame.Elsewhere(address)
}

// errNotBegun is of an answer to what this browser did not ask, or too long ago.
var errNotBegun = errors.New("not begun here")

// Back takes what the provider sent the browser back with, once.
func (d *Door) Back(w http.ResponseWriter, r *http.Request) error {
	var a provider.Attempt
	begun := d.Recall(r, d.Cookie, &a) && d.Now().Unix() < a.Ends
	if err := d.Remember(w, r, d.Cookie, nil, 0); err != nil {
		return err
	}
	at := d.provider(a.Issuer)
	if !begun || at == nil || !offered(at, r.Host) || a.Redirect != d.Here(r, "/sign-in/back") {
		return d.refuse(w, r, errNotBegun)
	}
	t, err := at.Finish(r.Context(), a, r.URL.Query())
	if err == nil {
		err = d.may(t.Identity)
	}
	if err != nil {
		return d.refuse(w, r, err)
	}
	s := &frame.Session{Token: t.ID, Provider: at.Issuer, Refresh: t.Refresh, Identity: t.Identity,
		Expires: d.Expiry(t.Identity.Expires)}
	if t.Refresh != "" && d.Store != nil {
		s.Expires = d.Now().Add(d.SessionTTL)
	}
	return d.Enter(w, r, s)
}

// refuse says why somebody is not signed in, as far as the visitor can do something about it.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	d.Gate.Stranger(r.Context())
	d.Logger.Warn("portal: sign-in", "error", serving.Cause(err))
	switch {
	case r.Context().Err() != nil:
		return err
	case errors.Is(err, errNotBegun):
		return d.Show(w, r, http.StatusBadRequest, "This sign-in was not begun here, or took too long. Try again.")
	case errors.Is(err, provider.ErrAway), errors.Is(err, auth.ErrNoKeys):
		return d.Show(w, r, http.StatusServiceUnavailable,
			"The sign-in service does not answer at the moment. Try again in a minute.")
	case errors.Is(err, errRole):
		return d.Show(w, r, http.StatusForbidden, "You are signed in there, but not with the role “"+d.Role+
			"”, which this page asks for. "+d.Help)
	}
	return d.Show(w, r, http.StatusUnauthorized, "The sign-in did not work. Try again. "+d.Help)
}

// errRole is of a token without the role of the room, or of nobody.
var errRole = errors.New("not the role of this room")

func (t *Tokens) may(i auth.Identity) error {
	if t.Role != "" && (i.Role != t.Role || i.Subject == "") {
		return errRole
	}
	return nil
}

// Verify verifies a session's token again: its key, its issuer and its time may have ended.
func (t *Tokens) Verify(ctx context.Context, s *frame.Session) (identity auth.Identity, err error) {
	switch at := t.provider(s.Provider); {
	case at != nil:
		identity, err = at.Verify(ctx, s.Token)
	case s.Provider == "" && t.Pasted != nil:
		identity, err = t.Pasted.Verify(ctx, s.Token)
	default:
		err = auth.ErrNoToken
	}
	if err != nil {
		return auth.Identity{}, err
	}
	return identity, t.may(identity)
}

// Renewed is the session with a token that is still good, nil where there is none to be had.
func (d *Door) Renewed(ctx context.Context, s *frame.Session) (*frame.Session, error) {
	identity, err := d.Verify(ctx, s)
	var token *auth.TokenError
	over := errors.As(err, &token) && token.Reason == auth.Expired
	switch {
	case err != nil && !over:
		return nil, nil
	case s.Refresh == "" || d.Store == nil || d.provider(s.Provider) == nil:
		over = over || identity.Issuer == ""
	case over || d.Now().Add(renewBefore).After(identity.Expires):
		return d.renew(ctx, s, over)
	}
	if over {
		return nil, nil
	}
	s.Identity = identity
	return s, nil
}

// renew renews a session at its provider. While that is away, a token goes on until its end.
func (d *Door) renew(ctx context.Context, s *frame.Session, over bool) (*frame.Session, error) {
	at := d.provider(s.Provider)
	now, err := d.Sessions.Renew(ctx, s, func(one *frame.Session) error {
		t, err := at.Renew(ctx, provider.Tokens{ID: one.Token, Refresh: one.Refresh})
		if err == nil {
			one.Token, one.Refresh = t.ID, t.Refresh
		}
		return err
	})
	var no *provider.RefusedError
	switch {
	case errors.As(err, &no):
		d.Logger.Info("portal: session not renewed", "error", serving.Cause(err))
		return nil, d.Sessions.Drop(ctx, s)
	case errors.Is(err, provider.ErrAway):
		now = s
	case err != nil:
		return nil, err
	case now != nil && over && now.Token == s.Token:
		now, err = d.Sessions.Await(ctx, s)
	}
	if now == nil || err != nil && !errors.Is(err, provider.ErrAway) {
		return nil, err
	}
	if now.Identity, err = d.Verify(ctx, now); err != nil {
		return nil, nil
	}
	return now, nil
}

// SignOut is where a browser goes on to after signing out, and the provider's name; "" where
// there is nowhere else to sign out.
func (d *Door) SignOut(r *http.Request, s *frame.Session) (name, href string) {
	at := d.provider(s.Provider)
	if at == nil {
		return "", ""
	}
	return at.Name, at.SignOut(r.Context(), s.Token, d.Here(r, "/sign-in"))
}
