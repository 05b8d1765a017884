package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// clientsPage is what an agency sees of itself and its clients: together, and each.
type clientsPage struct {
	Table   *schema.Table
	Cards   []card
	Clients []clientLine
	Amount  string // the title of the amounts; "" where there are none
}

// clientLine is one tenant of the tree. A suspended one has no figures.
type clientLine struct {
	Name, Path, Count, Fresh, Amount string
	Suspended, Own                   bool

	id string
}

// clientPage is one of them.
type clientPage struct {
	Name   string
	Table  *schema.Table
	Cards  []card
	Status []bar
	Recent listing
}

// above reports whether there are tenants below the visitor's.
func (p *Pages) above(v *Visit) (is bool, err error) {
	if v.Schema.Below == nil {
		return false, nil
	}
	list := v.Schema.Below.Tenants
	err = p.DB.QueryRow(v.widened(), "select exists (select from "+list.QName().SQL()+" where "+
		sqltext.Ident(list.Key)+"::text <> $1)", v.Tenant).Scan(&is)
	if errors.Is(err, moat.ErrNoTree) { // the program that opened the DB wants none
		return false, nil
	}
	return is, err
}

// widened is the visit's context for what is below the tenant as well.
func (v *Visit) widened() context.Context {
	scope, _ := moat.ScopeFrom(v)
	scope.Width = moat.Descendants
	return moat.WithScope(v.Context, scope)
}

// wide is the visit of the tenant and those below it, or of one of these.
func (v *Visit) wide(tenant string) (*Visit, *schema.Table, error) {
	if !v.Agency || v.Schema.Below == nil {
		return nil, nil, frame.ErrNotFound
	}
	t := v.Schema.Below.Shown(nameOf(v.Schema.Main()))
	if t == nil {
		return nil, nil, frame.ErrNotFound
	}
	out := *v
	out.Context, out.Tenant = v.widened(), tenant
	return &out, t, nil
}

// clients serves the figures of all together, and of each beside its name.
func (p *Pages) clients(w http.ResponseWriter, r *http.Request, v *Visit) error {
	all, t, err := v.wide("")
	if err != nil {
		return err
	}
	page := &clientsPage{Table: t}
	if t.Amount != nil {
		page.Amount = t.Amount.Title
	}
	err = p.read(all, func(tx pgx.Tx) error {
		sums, err := all.totals(tx, t, p.Now())
		if err != nil {
			return err
		}
		d := &dashboardPage{Table: t}
		d.figures(all, sums)
		page.Cards = d.Cards
		if page.Clients, err = all.below(tx, v.Tenant); err != nil {
			return err
		}
		return all.figuresOf(tx, t, page.Clients, p.Now())
	})
	if err != nil {
		return err
	}
	out := p.Page(r, v, "Clients", "clients")
	out.Data = page
	return p.Render(w, http.StatusOK, "clients", out)
}

// maxClients is how many tenants a page lists with figures of their own.
const maxClients = 200

// below lists the tenants of the tree, the visitor's own first.
func (v *Visit) below(tx pgx.Tx, own string) ([]clientLine, error) {
	list := v.Schema.Below.Tenants
	if list == nil {
		return nil, frame.ErrNotFound
	}
	key, label := sqltext.Ident(list.Key)+"::text", sqltext.Ident(list.Key)+"::text"
	if list.Label != "" {
		label = "coalesce(" + sqltext.Ident(list.Label) + "::text, " + key + ")"
	}
	rows, err := tx.Query(v, "select "+key+", "+label+", "+list.Suspension.SQL()+" from "+list.QName().SQL()+
		" order by "+key+" <> $1, 2, 1 limit $2", own, maxClients)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c clientLine, err error) {
		err = row.Scan(&c.id, &c.Name, &c.Suspended)
		c.Own = c.id == own
		if !c.Suspended {
			c.Path = frame.Base + "/clients/" + url.PathEscape(c.id)
		}
		return c, err
	})
}

// figuresOf counts the rows of each tenant, in one pass.
func (v *Visit) figuresOf(tx pgx.Tx, t *schema.Table, clients []clientLine, now time.Time) error {
	a := &schema.Arguments{}
	where := append(t.TenantWhere(a, ""), "true")
	fresh, amount := "0::bigint", "0::float8"
	if t.Created != nil {
		fresh = "count(*) filter (where t." + t.Created.SQL() + " > " + a.Add(stamp(t.Created, now.AddDate(0, 0, -30))) + ")"
	}
	if t.Amount != nil {
		amount = "coalesce(sum(t." + t.Amount.SQL() + "), 0)::float8"
	}
	rows, err := tx.Query(v, "select t."+sqltext.Ident(t.Tenant)+"::text, count(*), "+fresh+", "+amount+" from "+t.SQL()+
		" t where "+strings.Join(where, " and ")+" group by 1", a.Values...)
	if err != nil {
		return err
	}
	var id string
	var n, recent int64
	var sum float64
	sums := map[string][3]string{}
	_, err = pgx.ForEachRow(rows, []any{&id, &n, &recent, &sum}, func() error {
		sums[id] = [3]string{v.Locale.Count(n), v.Locale.Count(recent), v.Locale.Short(sum)}
		return nil
	})
	for i := range clients {
		c := &clients[i]
		one, found := sums[c.id]
		if !found && !c.Suspended {
			one = [3]string{"0", "0", "0"}
		}
		c.Count, c.Fresh, c.Amount = one[0], one[1], one[2]
	}
	return err
}

// oneClient serves the figures of one tenant of the tree.
func (p *Pages) oneClient(w http.ResponseWriter, r *http.Request, v *Visit) error {
	id := r.PathValue("tenant")
	one, t, err := v.wide(id)
	if err != nil {
		return err
	}
	page := &clientPage{Table: t}
	err = p.read(one, func(tx pgx.Tx) error {
		lines, err := one.below(tx, v.Tenant)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(lines, func(c clientLine) bool { return c.id == id && !c.Suspended })
		if i < 0 {
			return frame.ErrNotFound
		}
		page.Name = lines[i].Name
		return page.load(one, tx, p)
	})
	if err != nil {
		return err
	}
	out := p.Page(r, v, page.Name, "clients")
	out.Data = page
	return p.Render(w, http.StatusOK, "client", out)
}

func (g *clientPage) load(v *Visit, tx pgx.Tx, p *Pages) error {
	d := &dashboardPage{Table: g.Table}
	if err := d.load(v, tx, "", p.Now()); err != nil {
		return err
	}
	g.Cards, g.Status, g.Recent = d.Cards, d.Status, d.Recent
	return nil
}

func nameOf(t *schema.Table) (name catalog.QName) {
	if t != nil {
		name = t.Name
	}
	return name
}
