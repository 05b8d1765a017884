package client

import (
	"context"
	"errors"
	"net/http"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// caller is who a session's requests are from: whom its token names, for the account that
// was chosen. An operator who views as a client needs no token of the client's.
func (p *Pages) caller(ctx context.Context, sc *schema.Schema, s *frame.Session, from []serving.Choice) (
	serving.Caller, error) {
	if s.ViewAs != nil {
		return serving.Caller{Scope: s.Scope, Looks: true}, nil
	}
	who, err := p.Source.Door.Speak(ctx, sc.Check, s.Identity, from)
	scope := s.Scope
	scope.Tenant = who.Tenant
	who.Scope = scope
	return who, err
}

// choices are the accounts that a request is for: by its address, and by what was chosen.
func (p *Pages) choices(r *http.Request, s *frame.Session) ([]serving.Choice, error) {
	all, err := p.From.Choices(r)
	if s.Account != "" {
		all = append(all, serving.Choice{Tenant: string(s.Account)})
	}
	return all, err
}

// enter admits a request of a session, at its rate, and returns who asks.
func (p *Pages) enter(r *http.Request, s *frame.Session) (*schema.Schema, serving.Caller, error) {
	sc, err := p.Source.Schema(r.Context())
	if err != nil {
		return nil, serving.Caller{}, err
	}
	from, err := p.choices(r, s)
	if err != nil {
		return nil, serving.Caller{}, err
	}
	lane := string(s.Scope.Tenant)
	if s.ViewAs == nil {
		lane = p.Source.Door.Lane(sc.Check, s.Identity, from)
	}
	if err := p.Admit(r, lane); err != nil {
		return nil, serving.Caller{}, err
	}
	who, err := p.caller(r.Context(), sc, s, from)
	return sc, who, err
}

// accounts are those that a session without one can choose from.
func (p *Pages) accounts(ctx context.Context, sc *schema.Schema, who serving.Caller) ([]serving.OwnTenant, error) {
	list, err := p.Source.Door.Own(ctx, sc.Check, who, "")
	if errors.As(err, new(*serving.UnlistedError)) || err == nil && len(list) == 0 {
		return nil, moat.ErrNoTenant
	}
	return list, err
}

// accountsPage shows the accounts of who is signed in.
func (p *Pages) accountsPage(w http.ResponseWriter, r *http.Request) error {
	s, err := p.session(r)
	if err != nil {
		return err
	}
	if s == nil || s.ViewAs != nil {
		return frame.Elsewhere(frame.Base + "/sign-in")
	}
	s.Account = ""
	sc, who, err := p.enter(r, s)
	if err != nil {
		return err
	}
	out := p.Frame.Page(r, "Choose an account")
	if out.Data, err = p.accounts(r.Context(), sc, who); err != nil {
		return err
	}
	return p.Render(w, http.StatusOK, "accounts", out)
}

// chooseAccount goes on in the account that was chosen.
func (p *Pages) chooseAccount(w http.ResponseWriter, r *http.Request) error {
	s, err := p.session(r)
	if err != nil {
		return err
	}
	if s == nil || s.ViewAs != nil {
		return frame.Elsewhere(frame.Base + "/sign-in")
	}
	if err := p.Form(r, frame.MaxSignIn); err != nil {
		return err
	}
	s.Account = moat.Tenant(r.PostFormValue("account"))
	sc, who, err := p.enter(r, s)
	if err == nil {
		_, _, err = p.admit(r.Context(), sc, s, who)
	}
	if err != nil {
		return err
	}
	return p.start(w, r, s)
}

func (p *Pages) start(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	if err := p.sessions.Start(w, r, s); err != nil {
		return err
	}
	return frame.Elsewhere(frame.Base + "/dashboard")
}
