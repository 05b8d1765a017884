package client

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/signin"
)

type signInPage struct {
	Operator bool
	Problem  string
	Ways     []signin.Way
	Paste    bool // tokens are taken
	Invited  bool // with an invitation, which needs a verified address
}

// home sends a visitor to where it belongs.
func (p *Pages) home(w http.ResponseWriter, r *http.Request) error {
	s, err := p.session(r)
	if err != nil {
		return err
	}
	if s == nil {
		return frame.Elsewhere(frame.Base + "/sign-in")
	}
	return frame.Elsewhere(frame.Base + "/dashboard")
}

func (p *Pages) signInPage(w http.ResponseWriter, r *http.Request) error {
	return p.showSignIn(w, r, http.StatusOK, "")
}

func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	out := p.Frame.Page(r, "Sign in")
	ways := p.door.Ways(r)
	invited := p.pending(r) != "" && len(ways) > 0
	out.Data = &signInPage{Problem: problem, Operator: p.Ledger != nil && out.Look.Console && !invited,
		Ways: ways, Paste: p.Tokens.Pasted != nil && !invited, Invited: invited}
	return p.Render(w, status, "sign-in", out)
}

// signIn takes a token.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	if p.Tokens.Pasted == nil {
		return frame.ErrNotFound
	}
	if err := p.Form(r, frame.MaxSignIn); err != nil {
		return err
	}
	token := frame.Token(r)
	if token == "" {
		return p.showSignIn(w, r, http.StatusUnprocessableEntity, "Paste the token that your agency gave you.")
	}
	p.Gate.Stranger(r.Context())
	return p.Enter(w, r, token)
}

// Enter signs in whoever holds a token; tokens must be taken.
func (p *Pages) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	identity, err := p.Tokens.Pasted.Verify(r.Context(), token)
	if errors.Is(err, auth.ErrNoKeys) {
		return p.showSignIn(w, r, http.StatusServiceUnavailable, frame.NoKeys)
	}
	if err != nil || identity.Key != nil { // keys are for programs
		return p.showSignIn(w, r, http.StatusUnauthorized, refused(err))
	}
	return p.enterAs(w, r, &frame.Session{Token: token, Identity: identity, Expires: p.Expiry(identity.Expires)})
}

// enterAs signs in whom the door admits.
func (p *Pages) enterAs(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	if code := p.pending(r); code != "" { // who is not a member yet becomes one
		if err := p.sessions.Start(w, r, s); err != nil {
			return err
		}
		return frame.Elsewhere(frame.Base + "/invitation/" + url.PathEscape(code))
	}
	s.Scope = p.Scope(s.Identity)
	sc, who, err := p.enter(r, s)
	if err != nil {
		return err
	}
	if who.Tenant != "" {
		if _, _, err := p.admit(r.Context(), sc, s, who); err != nil {
			return err
		}
		return p.start(w, r, s)
	}
	list, err := p.accounts(r.Context(), sc, who)
	if errors.Is(err, moat.ErrNoTenant) {
		return p.showSignIn(w, r, http.StatusUnauthorized, refused(nil))
	}
	if err != nil {
		return err
	}
	if len(list) == 1 {
		s.Account = list[0].Tenant
	}
	return p.start(w, r, s)
}

// refused says why a token does not do, as far as its holder may know.
func refused(err error) string {
	var token *auth.TokenError
	if errors.As(err, &token) && token.Reason == auth.Expired {
		return "This token has expired. Ask your agency for a new one."
	}
	if errors.As(err, &token) && (token.Reason == auth.NotYetValid || token.Reason == auth.IssuedLater) {
		return "This token is not valid yet. Check your clock, or ask your agency."
	}
	if errors.As(err, &token) && token.Reason == auth.Audience {
		return "This token is for another service. Ask your agency for one for this portal."
	}
	return "This token does not work here. Copy all of it, without quotation marks, and try again."
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) error {
	s, err := p.sessions.Of(r)
	if err != nil {
		return err
	}
	if err := p.sessions.End(w, r); err != nil {
		return err
	}
	switch {
	case s != nil && s.ViewAs != nil:
		return frame.Elsewhere(frame.Base + "/operator/")
	case s != nil && s.Provider != "":
		return p.signOutAt(w, r, s)
	}
	return frame.Elsewhere(frame.Base + "/sign-in")
}

// signedOutPage sends the browser on to the provider. A form's own redirect may not leave the
// portal: its content policy says so.
type signedOutPage struct{ Name, Href string }

func (p *Pages) signOutAt(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	name, href := p.door.SignOut(r, s)
	if href == "" {
		return frame.Elsewhere(frame.Base + "/sign-in")
	}
	return p.SignedOut(w, r, name, href)
}

// SignedOut sends who has signed out here on to the provider.
func (p *Pages) SignedOut(w http.ResponseWriter, r *http.Request, name, href string) error {
	out := p.Frame.Page(r, "Signed out")
	out.Onward, out.Data = href, &signedOutPage{name, href}
	return p.Render(w, http.StatusOK, "signed-out", out)
}
