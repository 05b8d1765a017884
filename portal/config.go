package portal

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/client"
	"github.com/moat-db/moat/portal/internal/console"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/provider"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/tenancy"
	"github.com/moat-db/moat/watch"
)

// Defaults of a [Config].
const (
	DefaultTimeout    = 5 * time.Second
	DefaultSessionTTL = 12 * time.Hour
)

// Config configures a [Portal]. DB, Verifier and Source are required.
type Config struct {
	// DB runs the statements of clients, as the application role. It must send every
	// fact that Scope returns (moat.Options.SubjectSetting and so on).
	DB *moat.DB
	// Verifier accepts the tokens that clients sign in with.
	Verifier *auth.Verifier
	// Source returns what was read of the database as the application role, whose
	// privileges decide what is offered. It is asked for every page and should answer
	// from memory; another pointer means a changed schema.
	Source func(context.Context) (*policy.View, error)

	// Door says who may come in. Beside an API it must be the API's, or each admits
	// whom the other refuses; package api makes one. Nil means one of its own, which
	// knows the usual columns that suspend a tenant and no membership.
	Door *serving.Door
	// Gate is the way to the pool of DB. Beside an API it must be the API's, or the two
	// together take more of the pool than there is. Nil means one of its own.
	Gate *serving.Gate
	// From says where a request may choose its account: the API's.
	From serving.From
	// Scope makes the scope of a verified token; nil means its own Scope method.
	Scope func(auth.Identity) moat.Scope
	// Timeout is the statement timeout of a page; zero means [DefaultTimeout].
	Timeout time.Duration
	// SignIn are the OpenID providers that clients sign in at, and ProviderVerifier accepts
	// their ID tokens: its audiences are the client ids. None means that there are none.
	SignIn           []Provider
	ProviderVerifier *auth.Verifier
	// PasteTokens lets clients sign in by pasting a token of Verifier's issuers.
	PasteTokens bool
	// Sessions keeps sessions in moat.portal_session: as a role that may write it, and that
	// the application role cannot become. Nil means that sessions live in their cookies, end
	// with their token, and cannot be ended on other servers.
	Sessions *pgxpool.Pool
	// SessionKey encrypts sessions. Servers behind one address need
	// the same. Nil means a key that the process makes up: a restart signs everybody out.
	SessionKey []byte
	// SessionTTL is how long a session lives at most, and never beyond its token;
	// zero means [DefaultSessionTTL].
	SessionTTL time.Duration
	// SecureCookies marks cookies Secure although the request came without TLS: set
	// it behind a proxy that ends TLS.
	SecureCookies bool
	// Brands are the hosts that the portal is served at, by the exact name (with a port or for
	// all), and how it looks there. Requests to others are answered with 421. None means any
	// host, and moat's own look.
	Brands map[string]Brand
	// Locale writes numbers and dates where a brand says none: a tag such as de-DE, or
	// "visitor"; empty means en-GB.
	Locale string
	// Money says which columns hold money: schema.table.column → a currency of ISO 4217, or the
	// column of the same table with it. Whole numbers are of the minor unit (cents).
	Money map[string]string
	// People lets admins of a tenant manage its members; nil means that nobody does in the
	// portal. It needs Sessions.
	People *People
	// Keys connects as the role that makes and looks up API keys; nil means that people have
	// none in the portal.
	Keys *pgxpool.Pool
	// Tables say how tables are shown, by their names: less than the role may do, never more.
	Tables map[catalog.QName]Table
	// Figures are what an agency sees of each client; none means those that its main table
	// suggests.
	Figures []Figure
	// Operator turns the operator's console on; nil means there is none.
	Operator *Operator
	// Extend adds pages to those of clients and operators (nil without an Operator), for
	// a demonstration: see package portal/demo. Nil means none.
	Extend func(mux *frame.Mux, clients *client.Pages, desk *console.Pages) error
	// Logger gets what visitors do not: nil means slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Brand is whose portal a host shows; Colours and BrandLink are parts of it.
type (
	Brand     = frame.Brand
	Colours   = frame.Colours
	BrandLink = frame.BrandLink
)

// People says who manages the members of a tenant.
type People struct {
	// Admins are the roles that do, the highest first; zero means owner and admin.
	Admins []string
	// Admin connects as who may create moat.invitation and its functions; nil means the
	// console's, or Sessions' role.
	Admin *pgx.ConnConfig
}

// Table says how a table is shown; Look is the part that a column has as well.
type (
	Table = schema.Shown
	Look  = schema.Look
)

// Figure is what an agency sees of each client.
type Figure = client.Figure

// Provider is an OpenID provider.
type Provider = provider.Config

// Operator configures the operator's console. Pool and Verifier are required.
type Operator struct {
	// Pool connects as the operator role, which bypasses row-level security.
	Pool *pgxpool.Pool
	// Verifier accepts the operators' tokens. It must have an issuer or a key of its
	// own, and allow tokens without a tenant.
	Verifier *auth.Verifier
	// SignIn are the OpenID providers that operators sign in at, and ProviderVerifier accepts
	// their ID tokens. With any, tokens are pasted only where Config.PasteTokens says so.
	SignIn           []Provider
	ProviderVerifier *auth.Verifier
	// Role is the role claim that a token must have; zero means "operator".
	Role string
	// Admin connects as who may create moat.operator_log and read the whole catalog;
	// nil means the operator role itself.
	Admin *pgx.ConnConfig
	// Application connects as the application role; nil means that prove cannot be
	// run from the console.
	Application *pgx.ConnConfig
	// Model, Audit and Prove are passed on: what is known about the tenants, and how
	// the isolation page looks and attacks.
	Model tenancy.Options
	Audit audit.Options
	Prove database.Options
	// Watch compares the database with the states that the server was told to watch; nil means
	// that operators save in the console what is compared with.
	Watch *watch.Watcher
	// LeaveOut and Mask are columns, as schema.table.column, that a client is not given of its
	// own rows in CSV and JSON: see lifecycle.ExportOptions.
	LeaveOut []string
	Mask     map[string]string
}

func (c Config) withDefaults() (Config, error) {
	if c.DB == nil || c.Verifier == nil || c.Source == nil {
		return c, errors.New("portal: DB, Verifier and Source are required")
	}
	if len(c.SignIn) > 0 && c.ProviderVerifier == nil {
		return c, errors.New("portal: SignIn needs a ProviderVerifier")
	}
	if c.People != nil && c.Sessions == nil {
		return c, errors.New("portal: People needs Sessions, whose role changes members")
	}
	if c.Scope == nil {
		c.Scope = auth.Identity.Scope
	}
	if c.Door == nil {
		c.Door = serving.NewDoor(c.DB, serving.Admission{})
	}
	if c.Gate == nil {
		c.Gate = serving.NewGate(int(c.DB.Stat().MaxConns()), serving.Limits{})
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.SessionTTL == 0 {
		c.SessionTTL = DefaultSessionTTL
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Operator == nil {
		return c, nil
	}
	o := *c.Operator
	if o.Pool == nil || o.Verifier == nil {
		return c, errors.New("portal: an operator needs a pool and a verifier of its own")
	}
	if o.Verifier == c.Verifier {
		return c, errors.New("portal: operators and clients must not share a verifier")
	}
	if len(o.SignIn) > 0 && (o.ProviderVerifier == nil || o.ProviderVerifier == c.ProviderVerifier) {
		return c, errors.New("portal: an operator's SignIn needs a ProviderVerifier of its own")
	}
	if o.Role == "" {
		o.Role = "operator"
	}
	c.Operator = &o
	return c, nil
}
