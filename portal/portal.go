package portal

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/client"
	"github.com/moat-db/moat/portal/internal/console"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/people"
	"github.com/moat-db/moat/portal/internal/provider"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/signin"
)

// Portal is the handler of everything under /portal/. It is safe for concurrent use.
type Portal struct {
	handler http.Handler
	mux     *frame.Mux
	clients *client.Pages
	desk    *console.Pages // nil without an operator
	ledger  *ledger.Ledger // nil without an operator
	store   *frame.Store   // nil where sessions live in their cookies
	people  *people.Store  // nil where members are not managed
	source  func(context.Context) (*policy.View, error)
	shown   *schema.Source
}

// New returns the portal. It does no I/O.
func New(config Config) (*Portal, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	f, err := frame.New(frame.Config{Gate: config.Gate, Timeout: config.Timeout, SessionKey: config.SessionKey,
		Store: store(config), SessionTTL: config.SessionTTL, SecureCookies: config.SecureCookies,
		Brands: config.Brands, Locale: config.Locale, Logger: config.Logger, Now: config.Now})
	if err != nil {
		return nil, err
	}
	p := &Portal{store: f.Store, source: config.Source}
	if err := p.open(config, f); err != nil {
		return nil, err
	}
	mux := frame.NewMux()
	if config.Extend != nil {
		if err := config.Extend(mux, p.clients, p.desk); err != nil {
			return nil, err
		}
	}
	p.clients.Mount(mux)
	if p.desk != nil {
		p.desk.Mount(mux)
	}
	p.mux = mux
	p.handler = serving.OwnWrites(config.DB, "/portal/", f.Wrap(mux))
	return p, nil
}

func store(c Config) *frame.Store {
	if c.Sessions == nil {
		return nil
	}
	s := &frame.Store{Pool: c.Sessions}
	if c.Operator != nil {
		s.Admin = c.Operator.Admin
	}
	return s
}

// open opens the rooms.
func (p *Portal) open(c Config, f *frame.Frame) (err error) {
	source := &schema.Source{Read: c.Source, Door: c.Door, Said: schema.Said{Money: c.Money, Shown: c.Tables}}
	o := c.Operator
	p.shown = source
	if o != nil {
		p.ledger = ledger.New(ledger.Config{Frame: f, Pool: o.Pool, DB: c.DB, Admin: o.Admin, Read: c.Source})
	}
	ours, err := tokens(f, c.Verifier, c.ProviderVerifier, c.SignIn, c.PasteTokens)
	if err != nil {
		return err
	}
	clients := client.Config{Frame: f, Source: source, DB: c.DB, Tokens: ours, Scope: c.Scope, From: c.From,
		Ledger: p.ledger, Figures: c.Figures}
	if o != nil {
		clients.Operators, err = tokens(f, o.Verifier, o.ProviderVerifier, o.SignIn, c.PasteTokens || len(o.SignIn) == 0)
		if err != nil {
			return err
		}
		clients.Operators.Role = o.Role
	}
	if c.Keys != nil {
		clients.Keys = c.Keys
	}
	p.people = peopleOf(c)
	clients.People = p.people
	p.clients, err = client.New(clients)
	if err != nil || o == nil {
		return err
	}
	p.desk, err = console.New(console.Config{Frame: f, Source: source, Ledger: p.ledger, Clients: p.clients,
		Keys: clients.Keys, Tokens: clients.Operators, Application: o.Application, Model: o.Model,
		Audit: o.Audit, Prove: o.Prove, Watch: o.Watch, Hidden: console.Hidden{LeaveOut: o.LeaveOut, Mask: o.Mask}})
	return err
}

// tokens are those that a room accepts: of its providers, and of its issuers where they may be
// pasted.
func tokens(f *frame.Frame, issuers, providers *auth.Verifier, list []Provider, paste bool) (*signin.Tokens, error) {
	t := &signin.Tokens{}
	if paste {
		t.Pasted = issuers
	}
	for _, one := range list {
		if host := f.Unknown(one.Hosts); host != "" {
			return nil, fmt.Errorf("provider %s: the portal is not served at its host %s", one.Issuer, host)
		}
		at, err := provider.New(one, providers, nil)
		if err != nil {
			return nil, err
		}
		t.Providers = append(t.Providers, at)
	}
	return t, nil
}

func peopleOf(c Config) *people.Store {
	if c.People == nil {
		return nil
	}
	s := &people.Store{Config: people.Config{Admins: c.People.Admins, Pool: c.Sessions, Admin: c.People.Admin}}
	if len(s.Admins) == 0 {
		s.Admins = people.DefaultAdmins()
	}
	if s.Admin == nil && c.Operator != nil {
		s.Admin = c.Operator.Admin
	}
	return s
}

// ServeHTTP serves a request under /portal/.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Prepare creates what the console keeps in the schema moat, as the admin role: the
// operator log, when clients were last seen, and the last known good state. It may be
// run again. Where sessions are kept, it creates their table as well, and is an error when
// the application role has a right on it. Without either it creates nothing. It is an error when the
// configuration names columns that are not shown. The console does it by itself before
// its first use; a server does it at its start, so that the first client is seen.
func (p *Portal) Prepare(ctx context.Context) error {
	s, err := p.shown.Schema(ctx)
	if err != nil {
		return err
	}
	if len(s.Unknown) > 0 {
		return fmt.Errorf("the configuration names what the portal does not show: %s", strings.Join(s.Unknown, ", "))
	}
	if err := p.clients.CheckFigures(s); err != nil {
		return err
	}
	if p.store != nil {
		v, err := p.source(ctx)
		if err != nil {
			return err
		}
		if err := p.store.Prepare(ctx, v.Snapshot.User); err != nil {
			return fmt.Errorf("sessions: %w", err)
		}
	}
	if p.people != nil {
		if err := p.people.Prepare(ctx, s.View); err != nil {
			return fmt.Errorf("people: %w", err)
		}
	}
	if p.ledger == nil {
		return nil
	}
	if err := p.ledger.Prepare(ctx); err != nil {
		return err
	}
	return p.desk.Prepare(ctx)
}

// SessionsSQL creates the table of sessions, as an administrator: for the role of
// Config.Sessions, and never for the application's roles.
func SessionsSQL(applications []string, keeper string) string {
	return frame.SessionsSQL(applications, keeper)
}

// PeopleSQL creates what changes members, as an administrator: for the role of Config.Sessions,
// and never for the application's roles. It is an error where nothing says who is a member.
func PeopleSQL(v *policy.View, p People, applications []string, keeper string) (string, error) {
	l, err := people.Managed(v)
	if err != nil {
		return "", err
	}
	admins := p.Admins
	if len(admins) == 0 {
		admins = people.DefaultAdmins()
	}
	return l.SQL(v, admins, applications, keeper), nil
}

// PeopleNotPreparedError is returned by [Portal.Prepare] when the functions that change members
// are missing and its role may not create them.
type PeopleNotPreparedError = people.NotPreparedError

// SessionsNotPreparedError is returned by [Portal.Prepare] when the table of sessions is
// missing and its role may not create it.
type SessionsNotPreparedError = frame.SessionsNotPreparedError

// NotPreparedError is returned by [Portal.Prepare] when the console's tables are
// missing and its role may not create them. Its SQL creates them, once, as an
// administrator.
type NotPreparedError = ledger.NotPreparedError

// Close cuts short what the portal does in the background and waits until it has ended.
// Call it when no request is served any more and before the pools are closed.
func (p *Portal) Close() {
	if p.desk != nil {
		p.desk.Close()
	}
}
