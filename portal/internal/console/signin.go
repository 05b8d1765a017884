package console

import (
	"errors"
	"net/http"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/signin"
)

type signInPage struct {
	Problem, Reason string
	Ways            []signin.Way
	Paste           bool   // tokens are taken
	Who             string // is signed in at a provider, and says for what now
}

func (p *Pages) signInPage(w http.ResponseWriter, r *http.Request) error {
	return p.showSignIn(w, r, http.StatusOK, "")
}

func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	out := p.Page(r, "Operator sign-in")
	out.Data = &signInPage{Problem: problem, Reason: r.PostFormValue("reason"), Ways: p.door.Ways(r),
		Paste: p.Tokens.Pasted != nil}
	return p.Render(w, status, "sign-in", out)
}

// signIn takes a token of the operators' own issuer.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := p.Form(r, frame.MaxSignIn); err != nil {
		return err
	}
	if p.Tokens.Pasted == nil {
		return frame.ErrNotFound
	}
	p.Gate.Stranger(r.Context())
	return p.Enter(w, r, frame.Token(r))
}

// Enter signs in whoever holds a token with the operator's role, and says for what: its
// looks are logged with that reason.
func (p *Pages) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	reason, err := reasonOf(r)
	if err != nil {
		return p.showSignIn(w, r, http.StatusUnprocessableEntity, noReason)
	}
	s := &frame.Session{Token: token, Reason: reason}
	s.Identity, err = p.Tokens.Verify(r.Context(), s)
	if errors.Is(err, auth.ErrNoKeys) {
		return p.showSignIn(w, r, http.StatusServiceUnavailable, frame.NoKeys)
	}
	if err != nil {
		return p.showSignIn(w, r, http.StatusUnauthorized, "This is not an operator's token. It must come from the "+
			"operators' own issuer, have the role “"+p.Tokens.Role+"” and name a subject.")
	}
	s.Expires = p.Expiry(s.Identity.Expires)
	return p.open(w, r, s)
}

const noReason = "Say in a few words what you are here for. It goes into the operator log."

// enterAs lets in who comes back from a provider, as far as the question what for: no page opens
// before it is answered.
func (p *Pages) enterAs(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	if err := p.Admit(r, operators); err != nil {
		return err
	}
	if err := p.sessions.Start(w, r, s); err != nil {
		return err
	}
	return frame.Elsewhere(base + "/sign-in/reason")
}

func (p *Pages) reasonPage(w http.ResponseWriter, r *http.Request) error {
	return p.askReason(w, r, http.StatusOK, "")
}

func (p *Pages) askReason(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	s, err := p.session(r)
	if err != nil {
		return err
	}
	if s == nil {
		return frame.Elsewhere(base + "/sign-in")
	}
	out := p.Page(r, "Operator sign-in")
	out.Data = &signInPage{Problem: problem, Reason: r.PostFormValue("reason"), Who: s.Subject}
	return p.Render(w, status, "sign-in", out)
}

// giveReason opens the console to who has signed in at a provider and says what for.
func (p *Pages) giveReason(w http.ResponseWriter, r *http.Request) error {
	if err := p.Form(r, frame.MaxSignIn); err != nil {
		return err
	}
	s, err := p.session(r)
	if err != nil {
		return err
	}
	if s == nil {
		return frame.Elsewhere(base + "/sign-in")
	}
	if s.Reason, err = reasonOf(r); err != nil {
		return p.askReason(w, r, http.StatusUnprocessableEntity, noReason)
	}
	return p.open(w, r, s)
}

// open begins a session with a reason.
func (p *Pages) open(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	if err := p.Admit(r, operators); err != nil {
		return err
	}
	s.Subject = s.Identity.Subject
	if err := p.Ledger.Record(r.Context(), ledger.Entry{By: s, Action: "signed in"}); err != nil {
		return err
	}
	if err := p.sessions.Start(w, r, s); err != nil {
		return err
	}
	return frame.Elsewhere(base + "/")
}

// signOut ends the session here, and goes on to the provider.
func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) error {
	s, err := p.sessions.Of(r)
	if err != nil {
		return err
	}
	if err := p.sessions.End(w, r); err != nil {
		return err
	}
	if s == nil {
		return frame.Elsewhere(base + "/sign-in")
	}
	name, href := p.door.SignOut(r, s)
	if href == "" {
		return frame.Elsewhere(base + "/sign-in")
	}
	return p.Clients.SignedOut(w, r, name, href)
}
