package console

import (
	"errors"
	"net/http"
	"net/mail"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/people"
	"github.com/moat-db/moat/portal/internal/schema"
)

// invitedPage shows the link of an invitation, once.
type invitedPage struct {
	Client        tenant
	Address, Link string
}

// invite invites the first admin of a client, whom nobody in the client could.
func (p *Pages) invite(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	at, err := mail.ParseAddress(r.PostFormValue("email"))
	if err != nil || at.Name != "" || len(at.Address) > 320 {
		return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "This is not an e-mail address",
			Hint: "Go back and enter one address, without a name."}
	}
	data := &invitedPage{Address: people.Address(at.Address)}
	act := ledger.Entry{By: s, Action: "invited the first admin", Reason: reason, Details: data.Address}
	err = p.one(r, act, func(_ pgx.Tx, sc *schema.Schema, one tenant) error {
		if sc.Check.AsksMember() {
			return errMembersOnly
		}
		data.Client = one
		code, err := p.Clients.People.InviteFirst(r.Context(), moat.Tenant(one.ID), data.Address, p.Now())
		data.Link = p.ClientsAt(r, frame.Base+"/invitation/"+code)
		return err
	})
	if errors.Is(err, people.ErrLed) {
		return &frame.Refusal{Status: http.StatusConflict, Title: "This client has an admin",
			Hint: "Its admins invite further people, on their page People."}
	}
	if err != nil {
		return err
	}
	return p.show(w, r, s, "invited", "Invitation", "Clients", data)
}

// errMembersOnly: who is invited is no member yet, and is shown nothing of the client.
var errMembersOnly = &frame.Refusal{Status: http.StatusConflict, Title: "The console cannot invite here",
	Hint: "The database shows a client to its members only. Add the first membership in your application."}

// led says whether a client has a member who can invite.
func (p *Pages) led(members []people.Member) bool {
	return slices.ContainsFunc(members, func(m people.Member) bool {
		return !m.Waits && slices.Contains(p.Clients.People.Admins, m.Role)
	})
}
