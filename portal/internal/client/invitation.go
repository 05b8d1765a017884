package client

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/people"
)

const (
	// invitedCookie holds the link that somebody came with who has to sign in first.
	invitedCookie = "moat_invited"
	invitedTime   = time.Hour
)

var errNoInvitation = &frame.Refusal{Status: http.StatusNotFound, Title: "This invitation does not work",
	Hint: "It was used or withdrawn, is too old, or is for another e-mail address than the one you signed in with. " +
		"Ask for a new one."}

// invited is who comes with an invitation: signed in, with an address that was verified.
type invited struct {
	Account, Role, Email, Name string
	Joined                     bool // accepted, by who is signed in to another account

	session *frame.Session
	people.Invitation
}

// mailOf is the address of a session that its issuer has verified; "" for none.
func mailOf(s *frame.Session) (email, name string) {
	var c struct {
		Email    string `json:"email"`
		Name     string `json:"name"`
		Verified any    `json:"email_verified"`
	}
	if s.ViewAs != nil || json.Unmarshal(s.Identity.Claims, &c) != nil || c.Verified != true && c.Verified != "true" {
		return "", ""
	}
	return people.Address(c.Email), c.Name
}

// invitation shows who has come with a link what it is for.
func (p *Pages) invitation(w http.ResponseWriter, r *http.Request) error {
	i, err := p.invited(w, r)
	if err != nil {
		return err
	}
	out := p.Frame.Page(r, "Invitation")
	out.Data = i
	return p.Render(w, http.StatusOK, "invitation", out)
}

// accept makes who has come with a link a member.
func (p *Pages) accept(w http.ResponseWriter, r *http.Request) error {
	i, err := p.invited(w, r)
	if err != nil {
		return err
	}
	s := i.session
	tenant, err := p.People.Accept(r.Context(), r.PathValue("code"), people.Person{Issuer: s.Identity.Issuer,
		Subject: s.Identity.Subject}, i.Email, i.Name)
	switch {
	case errors.Is(err, people.ErrGone), errors.Is(err, people.ErrAddress):
		return errNoInvitation
	case errors.Is(err, people.ErrUnfit):
		return &frame.Refusal{Status: http.StatusConflict, Title: "You could not be added",
			Hint: "Somebody else may have your e-mail address already. Ask your agency."}
	case err != nil && !errors.Is(err, people.ErrMember):
		return err
	case err != nil:
		tenant = i.Tenant
	}
	p.Source.Door.Flush()
	if err := p.Remember(w, r, invitedCookie, nil, 0); err != nil {
		return err
	}
	if s.Identity.Tenant == "" && s.Identity.External == "" {
		s.Account = tenant
	}
	if s.Identity.Tenant != "" && s.Identity.Tenant != tenant {
		return p.joinedElsewhere(w, r, i)
	}
	return p.start(w, r, s)
}

// joinedElsewhere tells who joined one account, and is signed in to another, how to get there.
func (p *Pages) joinedElsewhere(w http.ResponseWriter, r *http.Request, i *invited) error {
	out := p.Frame.Page(r, "Invitation")
	i.Joined = true
	out.Data = i
	return p.Render(w, http.StatusOK, "invitation", out)
}

// invited finds the invitation of an address for who is signed in. Whoever is not signs in
// first. It tells nobody whose address an invitation is for.
func (p *Pages) invited(w http.ResponseWriter, r *http.Request) (*invited, error) {
	s, err := p.session(r)
	if err != nil {
		return nil, err
	}
	code := r.PathValue("code")
	if s == nil {
		if err := p.Remember(w, r, invitedCookie, code, int(invitedTime/time.Second)); err != nil {
			return nil, err
		}
		return nil, frame.Elsewhere(frame.Base + "/sign-in")
	}
	sc, err := p.Source.Schema(r.Context())
	if err != nil {
		return nil, err
	}
	if err := p.Admit(r, p.Source.Door.Lane(sc.Check, s.Identity, nil)); err != nil {
		return nil, err
	}
	i := &invited{session: s}
	if i.Email, i.Name = mailOf(s); i.Email == "" {
		return nil, &frame.Refusal{Status: http.StatusForbidden, Title: "Your e-mail address is not verified",
			Hint: "Verify it where you sign in, sign in again, and open the link once more."}
	}
	i.Invitation, err = p.People.Find(r.Context(), code, p.Now())
	if errors.Is(err, people.ErrGone) || err == nil && i.Invitation.Email != i.Email {
		return nil, errNoInvitation
	}
	if err != nil {
		return nil, err
	}
	i.Role = i.Invitation.Role
	// The tenant is looked at as who invites: policies may show it to members only.
	who := serving.Caller{Scope: moat.Scope{Tenant: i.Tenant, Subject: i.By, Issuer: s.Identity.Issuer}, Chosen: true}
	verdict, err := p.Source.Door.Ask(r.Context(), sc.Check, who)
	if err != nil {
		return nil, err
	}
	if !verdict.Known || verdict.Suspended || s.Identity.Subject == "" { // its issuer must speak for the tenant
		return nil, errNoInvitation
	}
	i.Account = cmp.Or(verdict.Name, string(i.Tenant))
	return i, nil
}

// pending is the invitation that somebody came with who now signs in; "" for none.
func (p *Pages) pending(r *http.Request) (code string) {
	if p.People == nil || !p.Recall(r, invitedCookie, &code) {
		return ""
	}
	return code
}
