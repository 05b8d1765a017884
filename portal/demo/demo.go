// Package demo adds to a portal what only a demonstration has: signing in without a
// token, and a page on which visitors try to break in. Nothing that serves real clients
// imports it.
package demo

import (
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/portal/internal/client"
	"github.com/moat-db/moat/portal/internal/console"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/text"
)

//go:embed templates
var templates embed.FS

// changes are blocks of the other rooms' pages, written anew.
//
//go:embed changes
var changes embed.FS

// base is where visitors sign in without a token.
const base = frame.Base + "/demo"

// Config says what a demonstration offers.
type Config struct {
	// Clients are offered on the sign-in page.
	Clients []Client
	// Sign makes a client's token, SignOperator an operator's. Nil means that they are
	// not offered.
	Sign         func(tenant moat.Tenant, subject, role string, ttl time.Duration) (string, error)
	SignOperator func(subject string, ttl time.Duration) (string, error)
	// BreakIn runs visitors' SQL as the application role; it should be a paranoid DB of
	// its own, so that no other client gets a connection it was run on. Nil means no
	// break-in page.
	BreakIn *moat.DB
	// Referee sees every row and says whose a row is that came back; usually the
	// operator's pool. Nil means that only the tenant column is judged.
	Referee *pgxpool.Pool
	// Sealed says that the tenant is bound by a signature (sealed mode).
	Sealed bool
}

// Client is one sample client.
type Client struct {
	Name   string
	Tenant moat.Tenant
	Owner  string // the person who signs in, as memberships know it
}

// Extend adds the demonstration to a portal; it is for portal.Config.Extend.
func (c Config) Extend(mux *frame.Mux, clients *client.Pages, desk *console.Pages) error {
	if c.Sign != nil {
		mux.Handle("POST "+base+"/sign-in", clients.Handle(c.signIn(clients)))
		samples := template.FuncMap{"samples": func() []Client { return c.Clients }}
		if err := clients.Change("sign-in", changes, "changes/sign-in.html", samples); err != nil {
			return err
		}
	}
	if c.SignOperator != nil && desk != nil {
		mux.Handle("POST "+base+"/operator", desk.Handle(c.signInOperator(desk)))
		if err := desk.Change("sign-in", changes, "changes/operator.html", nil); err != nil {
			return err
		}
	}
	if c.BreakIn == nil {
		return nil
	}
	views, err := clients.Frame.Views(templates, template.FuncMap{"shown": shown})
	b := &breakIn{Config: c, clients: clients, views: views}
	clients.Add("GET /break-in", b.page, frame.Link{Title: "Break in", Href: "break-in", Icon: "bolt"})
	clients.Add("POST /break-in", b.try, frame.Link{})
	return err
}

// signIn signs in as a sample client; any other tenant is refused, as the sign-in page
// does not offer it.
func (c Config) signIn(clients *client.Pages) frame.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		tenant := moat.Tenant(r.PostFormValue("client"))
		i := slices.IndexFunc(c.Clients, func(c Client) bool { return c.Tenant == tenant })
		if i < 0 {
			return frame.ErrNotFound
		}
		token, err := c.Sign(tenant, cmp.Or(c.Clients[i].Owner, "demo@example.com"), "client", 12*time.Hour)
		if err != nil {
			return err
		}
		return clients.Enter(w, r, token)
	}
}

func (c Config) signInOperator(desk *console.Pages) frame.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		token, err := c.SignOperator("demo-operator@example.com", 8*time.Hour)
		if err != nil {
			return err
		}
		return desk.Enter(w, r, token)
	}
}

func shown(value *string) string { return text.Clip(*value, 160) }
