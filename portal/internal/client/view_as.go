package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// ViewAs signs an operator, whose session of the console it is, in as a client, to look and
// change nothing.
func (p *Pages) ViewAs(w http.ResponseWriter, r *http.Request, of *frame.Session, by frame.ViewAs,
	end time.Time) error {
	s := &frame.Session{Token: of.Token, Provider: of.Provider, Expires: end, ViewAs: &by}
	if err := p.sessions.Start(w, r, s); err != nil {
		return err
	}
	return frame.Elsewhere(frame.Base + "/dashboard")
}

// viewed is the scope of who views as a client. Where it does through a member's eyes it says
// what the member's token would.
func viewed(by *frame.ViewAs, role string) moat.Scope {
	s := moat.Scope{Tenant: by.Tenant, Subject: by.Subject, Issuer: by.Issuer, Role: role}
	if s.Subject != "" {
		// Texts marshal.
		s.Claims, _ = json.Marshal(map[string]string{"sub": s.Subject, "iss": s.Issuer, "role": role})
	}
	return s
}

// MayView is an error where the member that a view names is none of the tenant. Each page asks
// again.
func (p *Pages) MayView(ctx context.Context, sc *schema.Schema, by *frame.ViewAs) error {
	scope := viewed(by, "")
	verdict, err := p.Source.Door.Ask(ctx, sc.Check, serving.Caller{Scope: scope, Looks: true})
	if err != nil {
		return err
	}
	_, err = verdict.Look(scope)
	return err
}
