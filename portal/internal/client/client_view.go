package client

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
)

// clientPage is one client, as its agency looks at it.
type clientPage struct {
	*agency
	Name   string
	Table  *schema.Table
	Cards  []card
	Status []bar
	Recent listing
}

// opens says whether clients can be looked at one by one: only where it is written down for
// them to see.
func (p *Pages) opens(v *Visit) bool { return p.Ledger != nil && v.Session.ViewAs == nil }

// oneClient serves the figures and newest rows of one client, which can read that it did.
func (p *Pages) oneClient(w http.ResponseWriter, r *http.Request, v *Visit) error {
	id := r.PathValue("tenant")
	g, err := p.agency(r, v, "/clients/"+id, id)
	if err != nil {
		return err
	}
	if !p.opens(v) {
		return frame.ErrNotFound
	}
	page := &clientPage{agency: g, Table: g.main}
	err = p.read(g.all, func(tx pgx.Tx) error {
		lines, err := g.all.below(tx, v.Tenant, true)
		i := slices.IndexFunc(lines, func(c clientLine) bool { return c.ID == id && c.Path != "" })
		if err == nil && i < 0 {
			err = frame.ErrNotFound
		}
		if err == nil {
			page.Name = lines[i].Name
		}
		return err
	})
	if err == nil {
		err = p.looked(v, id)
	}
	if err == nil {
		err = p.read(g.all, func(tx pgx.Tx) error { return page.load(tx, p) })
	}
	if err != nil {
		return err
	}
	out := p.Page(r, v, page.Name, "clients")
	out.Data = page
	return p.Render(w, http.StatusOK, "client", out)
}

// looked writes down that a client is looked at, before it is: by whom, and for which tenant.
// The client reads names; the subject is for the console.
func (p *Pages) looked(v *Visit, client string) error {
	scope, _ := moat.ScopeFrom(v)
	who := cmp.Or(person(v.Session), "Somebody") + " of " + v.Name
	return p.Ledger.Record(v, ledger.Entry{By: &frame.Session{Subject: who}, Action: ledger.LookedFromAbove,
		Tenant: client, Reason: "Opened from the list of clients", Details: "subject " + scope.Subject})
}

func (g *clientPage) load(tx pgx.Tx, p *Pages) error {
	if err := g.count(tx); err != nil {
		return err
	}
	g.Cards = g.cards("")
	d := &dashboardPage{Table: g.Table}
	if err := d.load(g.all, tx, "", p.Now()); err != nil {
		return err
	}
	g.Status, g.Recent = d.Status, d.Recent
	return nil
}
