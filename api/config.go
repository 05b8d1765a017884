package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/telemetry"
)

// Config configures a [Handler]. DB, Verifier and Load are required.
type Config struct {
	// DB runs the statements. Its pool must come from [ConfigurePool], and its
	// ClaimsSetting and the others must be set where tokens carry such facts.
	DB *moat.DB
	// Shared runs the statements of tokens without a tenant, which reach shared tables
	// only. It must clear the tenant setting itself, as [WithoutTenant] does. Nil
	// refuses such tokens with 403.
	Shared Sender
	// Verifier checks the tokens.
	Verifier *auth.Verifier
	// Load reads the catalog as the application role. It is called by [New], and
	// again when the schema has changed.
	Load func(ctx context.Context) (*policy.View, error)
	// Connect opens a connection outside the pool, which listens for notifications
	// and looks for schema changes. Nil means neither: [Handler.Reload] is then the
	// only way to pick up a change.
	Connect func(ctx context.Context) (*pgx.Conn, error)

	// Schemas are exposed, the first by default; one that the role may not use ends
	// [New]. Zero means those with tables that the role may read.
	Schemas []string
	// Base is the path of the API; zero means "/rest/v1".
	Base string
	// Home is where "/" sends a browser; zero means the reference page at Base.
	Home string
	// Title names the API in its description; zero means "moat".
	Title string
	// Logger is for the access log and for what goes wrong; nil discards.
	Logger *slog.Logger
	// Tracer makes one span per request; nil means none.
	Tracer telemetry.Tracer

	// Door says who may come in. What else serves the database, such as the portal,
	// should be given the same one. Nil means one with the zero [Admission].
	Door *Door
	// Keys is the connection of the role that makes and looks up API keys; Verifier must
	// accept them over it. Nil means that there are no keys.
	Keys *pgxpool.Pool
	// From says where a request may choose its tenant, beside the header Moat-Tenant.
	From From
	// Gate is the way to the pool; nil means one of its own by Limits.
	Gate *Gate

	// CORSOrigins may call from a browser; "*" is any. None means no CORS headers.
	CORSOrigins []string
	// DisableCompression leaves gzip and zstd to a proxy.
	DisableCompression bool
	// ServerTiming answers with the header Server-Timing: how long the phases of the
	// request took.
	ServerTiming bool
	// AllowUnfiltered lets PATCH and DELETE without a filter change every row.
	AllowUnfiltered bool
	// AllowRollback honours Prefer: tx=rollback.
	AllowRollback bool
	// AllowExplain answers the plan media type.
	AllowExplain bool
	// AllowAggregates allows sum(), count() and the like in select.
	AllowAggregates bool
	// RequestSettings sends request.method, request.path and request.headers to the
	// database, without Authorization, Cookie and apikey, for functions that read them.
	RequestSettings bool
	// PreRequest is a function without arguments that runs before each statement, in
	// its transaction and scope. The role must be able to execute it; it need not be
	// exposed. Zero means none.
	PreRequest catalog.QName

	// SearchPath are schemas behind the exposed one in which functions find what they name
	// without a schema. Operators in filters are found by the search_path of the connections of
	// DB. None of the schemas is exposed by it.
	SearchPath []string
	// RootSpec is a function without arguments whose result describes the API in place
	// of the OpenAPI document; the role must be able to execute it. Zero means none.
	RootSpec catalog.QName
	// BriefErrors leaves details and hint out of errors.
	BriefErrors bool
	// AliasesOnly lets the filters, order and limit of an embed that has an alias be
	// named by the alias only, and not by the table as well.
	AliasesOnly bool

	// PollInterval is how often the schema's fingerprint is compared; zero means 5 s.
	PollInterval time.Duration
	// MetricsTenants is how many tenants get a label of their own; zero means none.
	MetricsTenants int
	// Meter makes the metrics; nil means none.
	Meter telemetry.Meter
	// Metrics serves them, and what else the Meter made, at /metrics without a token; nil means
	// that nothing is there.
	Metrics http.Handler
	// Limits bound what a tenant and a request may take.
	Limits Limits
}

// Door says who may come in, to the API and to the portal alike: which tenants are
// known and not suspended, and who is a member.
type Door = serving.Door

// From says where a request may choose its tenant.
type From = serving.From

// LookupError says that tenants cannot be looked up, and how they could.
type LookupError = serving.LookupError

// Speaker says for which tenants an issuer speaks.
type Speaker = serving.Speaker

// Admission configures a [Door], and Membership and Access an Admission.
type (
	Admission  = serving.Admission
	Access     = serving.Access
	Membership = serving.Membership
)

// Gate lets requests through to a pool, each tenant at its rate and with its share, and
// bounds what they hold of the memory. The API and the portal share one, as they share
// the pool.
type Gate = serving.Gate

// NewGate returns a Gate to the pool of db.
func NewGate(db *moat.DB, l Limits) *Gate {
	return serving.NewGate(int(db.Stat().MaxConns()), serving.Limits{RequestsPerSecond: l.RequestsPerSecond,
		Burst: l.Burst, Concurrent: l.Concurrent, BesideOthers: l.BesideOthers, Waiting: l.Waiting, Wait: l.Wait,
		BodyBytes: l.BodyBytes, AnswerBytes: l.ResponseBytes, TenantBytes: l.TenantHeldBytes, AllBytes: l.HeldBytes})
}

// NewDoor returns a Door that asks through db.
func NewDoor(db *moat.DB, a Admission) *Door { return serving.NewDoor(db, a) }

// QueryLimits bound what one query string may ask for. A zero field means its default.
type QueryLimits = query.Limits

// Limits bound a tenant and a request. The zero value has the defaults.
type Limits struct {
	// RequestsPerSecond of a tenant; 0 means no limit. Burst is how many may come at
	// once; 0 means one second's.
	RequestsPerSecond float64
	Burst             int
	// Concurrent statements of a tenant; 0 means 20. It is never more than three
	// quarters of the pool.
	Concurrent int
	// BesideOthers is how many statements of tenants whose statements cost much run at a
	// time, together, while others are about, and half of how many of those do whose
	// statements take much of the time; 0 means an eighth of the pool.
	BesideOthers int
	// Waiting requests of a tenant for a turn; 0 means 4 times Concurrent.
	Waiting int
	// Wait for a turn; 0 means 2 s.
	Wait time.Duration
	// MaxRows of any list; 0 means 1000, negative none.
	MaxRows int64
	// BodyBytes of a request; 0 means 1 MiB.
	BodyBytes int64
	// ResponseBytes of an answer; 0 means 16 MiB.
	ResponseBytes int64
	// TenantHeldBytes and HeldBytes are what bodies and answers of a tenant, and of all,
	// may hold of the memory while their clients send and read them; 0 means 2.5 times
	// ResponseBytes, and 64 MiB or more.
	TenantHeldBytes, HeldBytes int64
	// StatementTimeout is that of the pool, as [ConfigurePool] has it; 0 means unknown or none.
	StatementTimeout time.Duration
	// Timeout ends a request that the statement timeout did not; 0 means 30 s, or what the
	// statements of one may take where that is more. A function with a statement_timeout of its own
	// has that much longer.
	Timeout time.Duration
	// Query bounds the query string.
	Query QueryLimits
}

// Sender sends a batch as one implicit transaction; moat.DB and pgxpool.Pool do.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

func (c Config) withDefaults() (Config, error) {
	if c.DB == nil || c.Verifier == nil || c.Load == nil {
		return c, errors.New("api: DB, Verifier and Load are required")
	}
	setString(&c.Base, "/rest/v1")
	setString(&c.Home, c.Base+"/")
	setString(&c.Title, "moat")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDuration(&c.PollInterval, 5*time.Second)
	if c.Door == nil {
		c.Door = NewDoor(c.DB, Admission{})
	}
	if c.Meter == nil {
		c.Meter = telemetry.Discard{}
	}
	c.Limits = c.Limits.withDefaults()
	if c.Gate == nil {
		c.Gate = NewGate(c.DB, c.Limits)
	}
	return c, nil
}

// mostSlow is how many statements of a request may each take the statement timeout: what runs
// before the main one, that one, and its count. See [execution.times].
const mostSlow = 3

func (l Limits) withDefaults() Limits {
	setDuration(&l.Timeout, max(30*time.Second, mostSlow*(l.StatementTimeout+time.Second)))
	setBytes(&l.MaxRows, 1000)
	setBytes(&l.BodyBytes, 1<<20)
	setBytes(&l.ResponseBytes, 16<<20)
	l.Query = l.Query.WithDefaults()
	return l
}

func setString(v *string, d string) {
	if *v == "" {
		*v = d
	}
}

func setDuration(v *time.Duration, d time.Duration) {
	if *v <= 0 {
		*v = d
	}
}

func setBytes(v *int64, d int64) {
	if *v == 0 {
		*v = d
	}
}

// methods that change nothing.
func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }
