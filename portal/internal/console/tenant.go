package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/people"
	"github.com/moat-db/moat/portal/internal/schema"
)

type tenantPage struct {
	Client     tenant
	CanSuspend bool // there is a list that says which tenants there are
	Own        lifecycle.Limit
	Members    []people.Member
	More       bool // members than are listed
	Invites    bool // nobody in the client can, so an operator may
	Asks       bool // only a member is shown anything
	Issuers    bool // a member is an issuer's subject
	Keys       []apikey.Key
	Usage      serving.Usage
	Since      time.Time
	Log        []ledger.Line
	Done       string
}

// one reads the tenant of the address, after the look at it was logged.
func (p *Pages) one(r *http.Request, e ledger.Entry, then func(tx pgx.Tx, sc *schema.Schema, one tenant) error) error {
	ctx := r.Context()
	sc, err := p.Source.Schema(ctx)
	if err != nil {
		return err
	}
	e.Tenant = r.PathValue("id")
	if moat.TenantType(sc.Model.Type).Validate(moat.Tenant(e.Tenant)) != nil {
		return frame.ErrNotFound
	}
	return p.Ledger.Use(ctx, e, func(tx pgx.Tx) error {
		all, _, err := p.tenants(ctx, tx, sc, e.Tenant)
		if err != nil {
			return err
		}
		if len(all) != 1 {
			return frame.ErrNotFound
		}
		return then(tx, sc, all[0])
	})
}

func (p *Pages) tenantPage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	data := &tenantPage{Done: r.URL.Query().Get("done")}
	data.Usage, data.Since = p.Gate.Usage(r.PathValue("id"))
	look := ledger.Entry{By: s, Action: ledger.LookedAtOne}
	var known *schema.Schema
	err := p.one(r, look, func(tx pgx.Tx, sc *schema.Schema, one tenant) (err error) {
		data.Client, data.CanSuspend = one, sc.Tenants != nil
		if err := data.Own.Read(r.Context(), tx, sc.View, one.ID); err != nil {
			return err
		}
		known, data.Asks, data.Issuers = sc, sc.Check.AsksMember(), hasIssuers(sc)
		data.Log, err = p.Ledger.Lines(r.Context(), tx, ledger.Question{Tenant: one.ID, Looks: true, Most: 50})
		return err
	})
	if err == nil {
		data.Keys, err = p.keysOf(r, data.Client.ID)
	}
	if err == nil {
		data.Members, data.More, err = p.Clients.Members(r.Context(), known, data.Client.ID)
		data.Invites = p.Clients.People != nil && !data.Asks && !p.led(data.Members)
	}
	if err != nil {
		return err
	}
	return p.show(w, r, s, "tenant", data.Client.Name, "Clients", data)
}

// setState suspends a tenant or lets it in again.
func (p *Pages) setState(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	suspend := r.PostFormValue("state") == "suspended"
	done := "resumed"
	if suspend {
		done = "suspended"
	}
	var path string
	act := ledger.Entry{By: s, Action: done + " the client", Reason: reason}
	if suspend {
		if err := p.prepareState(r.Context()); err != nil {
			return err
		}
	}
	err = p.one(r, act, func(tx pgx.Tx, sc *schema.Schema, one tenant) error {
		path = one.Path()
		switch {
		case sc.Tenants == nil:
			return errNoTenants
		case suspend:
			return sc.Tenants.Suspend(r.Context(), tx, sc.View, one.ID, s.Subject, reason)
		}
		if requested, err := lifecycle.Requested(r.Context(), tx, one.ID); err != nil || requested {
			return cmp.Or(err, error(errErasing))
		}
		return sc.Tenants.Resume(r.Context(), tx, sc.View, one.ID)
	})
	if word, ok := errors.AsType[*serving.WordError](err); ok {
		return &frame.Refusal{Status: http.StatusConflict, Title: "The console cannot resume this client",
			Hint: "The column " + word.Column + " holds a word, and only your application knows all of them. Change it there."}
	}
	if err != nil {
		return err
	}
	p.Source.Door.Flush()
	return frame.Elsewhere(path + "?done=" + done)
}

var errErasing = &frame.Refusal{Status: http.StatusConflict, Title: "This client's erasure is requested",
	Hint: "Cancel the erasure first; that lets the client in again."}

var errNoTenants = &frame.Refusal{Status: http.StatusConflict, Title: "The console cannot suspend clients here",
	Hint: "No table lists the clients."}

// prepareState makes the table of suspended tenants where no column suspends one.
func (p *Pages) prepareState(ctx context.Context) error {
	sc, err := p.Source.Schema(ctx)
	if err != nil || sc.Tenants == nil {
		return err
	}
	if _, ok := sc.Tenants.Suspension.Set(true); ok {
		return nil
	}
	conn, err := p.Ledger.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return standing.Install(ctx, conn, sc.View, p.Ledger.Pool.Config().ConnConfig.User, []string{sc.Snapshot.User})
}
