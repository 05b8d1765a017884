package console

import (
	"errors"
	"net/http"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
)

type signInPage struct{ Problem, Reason string }

func (p *Pages) signInPage(w http.ResponseWriter, r *http.Request) error {
	return p.showSignIn(w, r, http.StatusOK, "")
}

func (p *Pages) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem string) error {
	out := p.Page(r, "Operator sign-in")
	out.Data = &signInPage{problem, r.PostFormValue("reason")}
	return p.Render(w, status, "sign-in", out)
}

// signIn takes a token of the operators' own issuer.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := p.Form(r, frame.MaxSignIn); err != nil {
		return err
	}
	return p.Enter(w, r, frame.Token(r))
}

// Enter signs in whoever holds a token with the operator's role, and says for what: its
// looks are logged with that reason.
func (p *Pages) Enter(w http.ResponseWriter, r *http.Request, token string) error {
	reason, err := reasonOf(r)
	if err != nil {
		return p.showSignIn(w, r, http.StatusUnprocessableEntity,
			"Say in a few words what you are here for. It goes into the operator log.")
	}
	identity, err := p.Verifier.Verify(r.Context(), token)
	if errors.Is(err, auth.ErrNoKeys) {
		return p.showSignIn(w, r, http.StatusServiceUnavailable, frame.NoKeys)
	}
	if err != nil || identity.Role != p.Role || identity.Subject == "" {
		return p.showSignIn(w, r, http.StatusUnauthorized, "This is not an operator's token. It must come from the "+
			"operators' own issuer, have the role “"+p.Role+"” and name a subject.")
	}
	if err := p.Admit(r, operators); err != nil {
		return err
	}
	s := &frame.Session{Token: token, Identity: identity, Subject: identity.Subject, Reason: reason,
		Expires: p.Expiry(identity.Expires)}
	if err := p.Ledger.Record(r.Context(), ledger.Entry{By: s, Action: "signed in"}); err != nil {
		return err
	}
	if err := p.sessions.Start(w, r, s); err != nil {
		return err
	}
	return frame.Elsewhere(base + "/")
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := p.sessions.End(w, r); err != nil {
		return err
	}
	return frame.Elsewhere(base + "/sign-in")
}
