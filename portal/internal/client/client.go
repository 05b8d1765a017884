// Package client is the room of clients: what somebody signed in sees of its own rows.
//
// Every statement runs with the scope of the session, in one read-only snapshot a page.
package client

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/people"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/signin"
	"github.com/moat-db/moat/portal/internal/text"
)

//go:embed templates
var templates embed.FS

// Config is what the pages work with.
type Config struct {
	*frame.Frame
	Source *schema.Source
	// DB runs the statements, as the application role.
	DB *moat.DB
	// Tokens are what clients sign in with, and Operators what operators who view as a client
	// signed in with; nil where there are none.
	Tokens, Operators *signin.Tokens
	// Scope makes the scope of a verified token.
	Scope func(auth.Identity) moat.Scope
	// From says where a request may choose its account.
	From serving.From
	// Figures are what an agency sees of each client; none means those that the table suggests.
	Figures []Figure
	// People manages members and invitations; nil where that is not wanted.
	People *people.Store
	// Keys makes and lists API keys; nil where there are none.
	Keys apikey.DB
	// Ledger is that of the operator's console; nil where there is none.
	Ledger *ledger.Ledger
}

// Pages are the pages of clients.
type Pages struct {
	Config
	*frame.Views
	sessions *frame.Sessions
	door     *signin.Door
	routes   map[string]Handler
	links    []frame.Link
}

// New returns the pages. It does no I/O.
func New(config Config) (*Pages, error) {
	p := &Pages{Config: config, sessions: config.Frame.Sessions("moat_client", frame.Base)}
	p.door = &signin.Door{Frame: config.Frame, Tokens: config.Tokens, Sessions: p.sessions, Base: frame.Base,
		Cookie: "moat_attempt", Show: p.showSignIn, Enter: p.enterAs, Help: "Tell your agency if it happens again."}
	p.routes = map[string]Handler{
		"GET /dashboard":            p.dashboard,
		"GET /t/{table}":            p.list,
		"GET /t/{table}/export":     p.export,
		"GET /t/{table}/new":        p.newForm,
		"POST /t/{table}/new":       p.create,
		"GET /t/{table}/r/{key}":    p.record,
		"GET /t/{table}/e/{key}":    p.editForm,
		"POST /t/{table}/e/{key}":   p.change,
		"POST /t/{table}/set/{key}": p.set,
		"POST /t/{table}/settings":  p.saveSettings,
		"POST /t/{table}/bulk":      p.bulk,
		"GET /search":               p.search,

		"GET /t/{table}/cell/{key}/{column}":  p.cellForm,
		"POST /t/{table}/cell/{key}/{column}": p.setCell,
	}
	p.routes["GET /clients"] = p.clients
	p.routes["GET /clients/compare"] = p.compare
	p.routes["GET /clients/export"] = p.exportClients
	p.routes["GET /clients/{tenant}"] = p.oneClient
	p.routes["GET /data"], p.routes["GET /data/export"] = p.yourData, p.exportAll
	p.routes["GET /sessions"], p.routes["POST /sessions"] = p.sessionsPage, p.endSession
	if config.People != nil {
		p.routes["GET /people"] = p.peoplePage
		p.routes["POST /people/invite"] = p.invite
		p.routes["POST /people/role"] = p.changeRole
		p.routes["POST /people/remove"] = p.removeMember
		p.routes["POST /people/withdraw"] = p.withdraw
	}
	if config.Keys != nil {
		p.routes["GET /keys"], p.routes["POST /keys"] = p.keysPage, p.makeKey
		p.routes["POST /keys/revoke"] = p.revokeKey
	}
	if config.Ledger != nil {
		p.routes["GET /access"] = p.access
	}
	var err error
	p.Views, err = config.Frame.Views(templates, nil)
	return p, err
}

// Add adds a page, and where link has a title a place in the navigation. It must be
// called before Mount.
func (p *Pages) Add(pattern string, h Handler, link frame.Link) {
	p.routes[pattern] = h
	if link.Title != "" {
		p.links = append(p.links, link)
	}
}

// Mount adds the pages to mux.
func (p *Pages) Mount(mux *frame.Mux) {
	mux.Handle("GET "+frame.Base+"/{$}", p.Handle(p.home))
	mux.Handle("GET "+frame.Base+"/sign-in", p.Handle(p.signInPage))
	mux.Handle("POST "+frame.Base+"/sign-in", p.Handle(p.signIn))
	mux.Handle("GET "+frame.Base+"/sign-in/at/{provider}", p.Handle(p.door.Begin))
	mux.Handle("GET "+frame.Base+"/sign-in/back", p.Handle(p.door.Back))
	mux.Handle("POST "+frame.Base+"/sign-out", p.Handle(p.signOut))
	mux.Handle("GET "+frame.Base+"/accounts", p.Handle(p.accountsPage))
	mux.Handle("POST "+frame.Base+"/accounts", p.Handle(p.chooseAccount))
	if p.People != nil {
		mux.Handle("GET "+frame.Base+"/invitation/{code}", p.Handle(p.invitation))
		mux.Handle("POST "+frame.Base+"/invitation/{code}", p.Handle(p.accept))
	}
	for pattern, h := range p.routes {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+frame.Base+path, p.Handle(p.signedIn(h)))
	}
}

// Visit is what a page knows of its visitor.
type Visit struct {
	context.Context
	Session *frame.Session
	Schema  *schema.Schema
	Zone    *time.Location
	Locale  *text.Locale
	Tenant  string
	Name    string // of the tenant, for people
	Agency  bool   // there are tenants below it
	Scope   moat.Scope
	Above   bool // it looks at a tenant below the token's
}

// MayAdd and MayChange say whether a page offers it: nothing is changed while an
// operator views as a client.
func (v *Visit) MayAdd(t *schema.Table) bool    { return t.MayAdd && v.Session.ViewAs == nil }
func (v *Visit) MayChange(t *schema.Table) bool { return t.MayChange && v.Session.ViewAs == nil }

// Handler answers a visitor who is signed in.
type Handler func(w http.ResponseWriter, r *http.Request, v *Visit) error

// signedIn lets those through whom the door admits at this moment, with their scope on
// the context: a session does not outlive a membership.
func (p *Pages) signedIn(h Handler) frame.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := p.session(r)
		if err != nil {
			return err
		}
		if s == nil {
			return frame.Elsewhere(frame.Base + "/sign-in")
		}
		if s.ViewAs != nil && r.Method != http.MethodGet {
			return &frame.Refusal{Status: http.StatusForbidden, Title: "You are viewing as a client",
				Hint: "Nothing can be changed while you do."}
		}
		sc, who, err := p.enter(r, s)
		if err != nil {
			return err
		}
		if who.Tenant == "" {
			return frame.Elsewhere(frame.Base + "/accounts")
		}
		scope, name, err := p.admit(r.Context(), sc, s, who)
		if err != nil {
			return err
		}
		if err := p.limit(r, sc, scope); err != nil {
			return err
		}
		ctx := moat.WithScope(r.Context(), scope)
		if p.Ledger != nil && s.ViewAs == nil {
			p.Ledger.Seen(ctx, scope.Tenant)
		}
		v := &Visit{Context: ctx, Session: s, Schema: sc, Zone: frame.ZoneOf(r), Locale: p.LocaleOf(r),
			Tenant: string(scope.Tenant), Name: name, Scope: scope, Above: who.Above != ""}
		if v.Agency, err = p.above(v); err != nil {
			return err
		}
		return h(w, r.WithContext(ctx), v)
	}
}

// session returns the session of a request, nil where there is none or its token is good no
// more.
func (p *Pages) session(r *http.Request) (*frame.Session, error) {
	s, err := p.sessions.Of(r)
	switch {
	case err != nil || s == nil:
		return nil, err
	case s.ViewAs != nil:
		if p.Operators == nil {
			return nil, nil
		}
		identity, err := p.Operators.Verify(r.Context(), s)
		if err != nil || identity.Subject != s.ViewAs.Operator {
			return nil, nil
		}
		s.Scope = viewed(s.ViewAs, "")
		return s, nil
	}
	if s, err = p.door.Renewed(r.Context(), s); err != nil || s == nil {
		return nil, err
	}
	s.Scope = p.Scope(s.Identity)
	return s, nil
}

// admit asks the door about a session's tenant and caller, and returns the scope to act
// in and the tenant's name for people. An operator who views as a client may look at a
// suspended one, and is no member: it sees what the tenant sees, or one member of it.
func (p *Pages) admit(ctx context.Context, sc *schema.Schema, s *frame.Session, who serving.Caller) (
	moat.Scope, string, error) {
	verdict, err := p.Source.Door.Ask(ctx, sc.Check, who)
	if err != nil {
		return moat.Scope{}, "", err
	}
	name := cmp.Or(verdict.Name, string(who.Tenant))
	if s.ViewAs != nil {
		scope, err := verdict.Look(who.Scope)
		return viewed(s.ViewAs, scope.Role), name, err
	}
	scope, err := verdict.Admit(who.Scope)
	return scope, name, err
}

// limit asks for the limits of the session's tenant, where it is time to.
func (p *Pages) limit(r *http.Request, sc *schema.Schema, s moat.Scope) error {
	x := p.Gate.ExchangeOf(r)
	if sc.Check.LimitSQL() == "" || !x.AsksLimit() {
		return nil
	}
	own, err := p.Source.Door.Limit(r.Context(), sc.Check, s)
	if err == nil {
		x.Limit(own)
	}
	return err
}

// Page is a page with a client's navigation.
func (p *Pages) Page(r *http.Request, v *Visit, title, active string) *frame.Page {
	out := p.Frame.Page(r, title)
	out.Shell, out.Tenant, out.Subject, out.ViewAs = "client", v.Name, person(v.Session), v.Session.ViewAs
	link := func(title, href, icon string) {
		out.Nav = append(out.Nav, frame.Link{Title: title, Href: frame.Base + "/" + href, Icon: icon, On: active == href})
	}
	link("Dashboard", "dashboard", "chart")
	if v.Agency {
		link("Clients", "clients", "people")
	}
	for _, t := range v.Schema.Tables {
		if p.onPeople(v, t) {
			continue
		}
		icon := "table"
		if t.Shared {
			icon = "book"
		}
		if t.Settings {
			icon = "edit"
		}
		link(t.Title, "t/"+url.PathEscape(t.Slug), icon)
	}
	if p.People != nil {
		link("People", "people", "people")
	}
	if p.Keys != nil && v.hasKeys() {
		link("API keys", "keys", "key")
	}
	link("Sessions", "sessions", "shield")
	link("Your data", "data", "eye")
	if v.Session.Account != "" {
		link("Accounts", "accounts", "exit")
	}
	for _, l := range p.links {
		if v.Session.ViewAs == nil {
			link(l.Title, l.Href, l.Icon)
		}
	}
	return out
}

// person is who is signed in, for people: by name and e-mail, never by the id that a token has.
func person(s *frame.Session) string {
	var c struct{ Name, Email string }
	if s.ViewAs != nil || json.Unmarshal(s.Identity.Claims, &c) != nil {
		return ""
	}
	if c.Name != "" && c.Email != "" {
		return c.Name + " · " + c.Email
	}
	return cmp.Or(c.Name, c.Email)
}

// show renders a page of a table.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, v *Visit, status int, name, title string,
	t *schema.Table, data any) error {
	out := p.Page(r, v, title, "t/"+url.PathEscape(t.Slug))
	out.Data = data
	return p.Render(w, status, name, out)
}

// table is the one that the address names.
func (v *Visit) table(r *http.Request) (*schema.Table, error) {
	if t := v.Schema.Find(r.PathValue("table")); t != nil {
		return t, nil
	}
	return nil, frame.ErrNotFound
}

// read runs fn in a read-only snapshot of the tenant of ctx.
func (p *Pages) read(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return p.DB.InReadTx(ctx, p.limited(ctx, fn))
}

// write runs fn in a transaction of the tenant of the visit: one that the database lets only
// read, where an operator views.
func (p *Pages) write(v *Visit, fn func(tx pgx.Tx) error) error {
	if v.Session.ViewAs != nil {
		return p.read(v, fn)
	}
	return p.DB.InTx(v, p.limited(v, fn))
}

func (p *Pages) limited(ctx context.Context, fn func(tx pgx.Tx) error) func(tx pgx.Tx) error {
	return func(tx pgx.Tx) error {
		if err := p.Limit(ctx, tx); err != nil {
			return err
		}
		return fn(tx)
	}
}
