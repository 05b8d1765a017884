package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
)

// viewTime is how long an operator may view as a client.
const viewTime = 30 * time.Minute

var (
	errChooseMember = &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "Choose a member",
		Hint: "This database shows the rows of a client to its members only, so a view is one member's."}
	errNoMember = &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "This is no member of the client",
		Hint: "There is nothing that the database would show to them."}
)

// viewAs signs the operator in as a client, to look and change nothing: through the eyes of one
// member where a member is chosen, as the database must be told where it asks who is one.
func (p *Pages) viewAs(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	sc, err := p.Source.Schema(r.Context())
	if err != nil {
		return err
	}
	by := frame.ViewAs{Operator: s.Subject, Reason: reason}
	chooseMember(&by, r.PostFormValue("member"), hasIssuers(sc))
	act := ledger.Entry{By: s, Action: "viewed as the client", Reason: reason}
	if by.Subject != "" {
		act.Action, act.Details = "viewed as a member of the client", "subject "+by.Subject
	}
	err = p.one(r, act, func(_ pgx.Tx, _ *schema.Schema, one tenant) error {
		by.Tenant = moat.Tenant(one.ID)
		if by.Subject == "" && sc.Check.AsksMember() {
			return errChooseMember
		}
		err := p.Clients.MayView(r.Context(), sc, &by)
		if errors.Is(err, serving.ErrNotMember) || errors.Is(err, serving.ErrUnknownTenant) {
			return errNoMember
		}
		return err
	})
	if err != nil {
		return err
	}
	end := p.Now().Add(viewTime)
	if s.Expires.Before(end) {
		end = s.Expires
	}
	return p.Clients.ViewAs(w, r, s, by, end)
}

// hasIssuers reports whether a member is an issuer's subject.
func hasIssuers(sc *schema.Schema) bool {
	c := sc.Model.Shapes.Caller
	return c != nil && c.Issuer != ""
}

// chooseMember reads a member of the form: where there are issuers, one and its subject.
func chooseMember(by *frame.ViewAs, member string, issuers bool) {
	by.Subject = strings.TrimSpace(member)
	if issuers {
		by.Issuer, by.Subject, _ = strings.Cut(by.Subject, " ")
	}
}
