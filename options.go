package moat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/internal/alive"
)

// The settings that policies read when nothing else is configured. The name of the
// claims is PostgREST's, so that policies written for it and for Supabase go on working.
const (
	DefaultTenantSetting  = "app.current_tenant"
	DefaultSubjectSetting = "app.subject"
	DefaultRoleSetting    = "app.role"
	DefaultClaimsSetting  = "request.jwt.claims"
	DefaultIssuerSetting  = "app.issuer" // where a scope's Issuer is sent at all
)

// NotSent in place of a setting's name keeps that fact of a scope from the database.
const NotSent = "-"

// Options configure a [DB]. The zero value works.
type Options struct {
	// TenantSetting is the setting that holds the tenant. Zero means
	// [DefaultTenantSetting].
	TenantSetting string
	// TenantType is the type of the tenant column. Zero means [UUID].
	TenantType TenantType

	// SubjectSetting, RoleSetting and ClaimsSetting are the settings that carry the
	// scope's Subject, Role and Claims, in the same round trip as the tenant. Zero
	// means the names above, [NotSent] that the fact stays out; a Scope that has it is
	// then refused with [*UnsentError], because a policy that misses it would decide on
	// something else. All settings are sent with every statement, empty ones too:
	// nothing relies on absence.
	SubjectSetting string
	RoleSetting    string
	ClaimsSetting  string
	// IssuerSetting is the setting that carries the scope's Issuer, for policies that find a
	// member by issuer and subject ([DefaultIssuerSetting]). Zero means that it is not sent,
	// and that policies which ask for it show nothing.
	IssuerSetting string

	// TreeRole is the role that statements of a wide scope ([Descendants]) run as: the
	// one that the tree's policies are for, which the application role may switch to.
	// Zero means that wide scopes are refused with [ErrNoTree].
	TreeRole string
	// WritesBelow lets wide scopes write, as far as the database lets TreeRole. A row
	// then names its tenant: the column's default is the scope's own. Zero means that
	// wide transactions are read-only, whatever the role was granted.
	WritesBelow bool

	// Paranoid clears the session (DISCARD ALL) whenever a connection goes back to
	// the pool, and uses no named prepared statement. It is for programs that run
	// whole statements they did not write. Zero means off; it costs 30 to 60 µs a
	// release and part of the gain of prepared statements, and no round trip on the
	// way of a statement.
	Paranoid bool

	// Sealer binds the tenant by a signature instead of a plain setting (sealed
	// mode). Zero means the plain setting.
	Sealer Sealer

	// Citus says how a scope is bound where Citus spreads the tables over several servers.
	// Zero means that [Open] looks. The facts of a scope then go into the settings that
	// moat.set_tenant was made with, and wide scopes are refused.
	Citus Citus

	// Replicas are connection strings of hot standbys, of the same role and database, that
	// [DB.InReadTx] and [DB.Reader] read from. Each connection to one is checked like the
	// primary's. Zero means none. Only [Open] uses them.
	Replicas []string
	// MaxLag is how stale what is read from a replica may be: one that is not known to have
	// all that was committed before is not read. Zero means [DefaultMaxLag].
	MaxLag time.Duration

	// Tracer is called for every statement; see pgx's tracelog and multitracer. Its
	// context has the [Scope], for a tracer that notes the tenant. A pgx.BatchTracer sees
	// the batch of the binding and the statement; one that is only a pgx.QueryTracer sees
	// the statement alone: one span for each. Zero means none. Only [Open] uses it.
	Tracer pgx.QueryTracer

	// MaxConns is the size of the pool. Zero means the connection string's
	// pool_max_conns, or pgx's default: 4, or the number of CPUs. Only [Open] uses it.
	MaxConns int32
	// StatementTimeout is the server's statement_timeout for each connection. Zero
	// leaves the server's own. Only [Open] uses it.
	StatementTimeout time.Duration
	// ConfigurePool, when set, has the final say on the pool's configuration before
	// [Open] connects. The caller answers for what it breaks.
	ConfigurePool func(*pgxpool.Config)
}

// Sealer makes the statement that binds a tenant to the transaction in sealed
// mode. See package seal.
type Sealer interface {
	// Bind returns the statement that binds the scope's tenant on the connection
	// with this backend process id, and its arguments. The statement's text must be
	// constant: it is prepared once per connection. It is a SELECT that ends with its
	// select list, so that a wide scope can switch the role in the same statement.
	Bind(ctx context.Context, tenant Tenant, backend uint32) (sql string, args []any, err error)
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)+$`)

func (o Options) withDefaults() (Options, error) {
	o.TenantSetting = cmp.Or(o.TenantSetting, DefaultTenantSetting)
	o.SubjectSetting = cmp.Or(o.SubjectSetting, DefaultSubjectSetting)
	o.RoleSetting = cmp.Or(o.RoleSetting, DefaultRoleSetting)
	o.ClaimsSetting = cmp.Or(o.ClaimsSetting, DefaultClaimsSetting)
	o.TenantType = o.TenantType.orDefault()
	switch o.TenantType {
	case UUID, BigInt, Integer, Text:
	default:
		return o, fmt.Errorf("tenant type %q is not supported: use uuid, bigint, integer or text", o.TenantType)
	}
	if o.Citus == CitusOn && o.Sealer != nil {
		return o, ErrSealedDistributed
	}
	if o.MaxLag < 0 {
		return o, errors.New("the lag of replicas cannot be negative")
	}
	for _, name := range []string{o.TenantSetting, o.SubjectSetting, o.RoleSetting, o.ClaimsSetting,
		cmp.Or(o.IssuerSetting, NotSent)} {
		if !settingName.MatchString(name) && (name != NotSent || name == o.TenantSetting) {
			return o, fmt.Errorf("%q is not the name of a custom setting, like app.current_tenant", name)
		}
	}
	return o, nil
}

// Configure prepares a pool's configuration for use with [New]: what [Open] does
// before it connects. An idle connection that does not answer within three seconds is
// replaced, unless pool_ping_timeout says another time; one whose server acknowledges
// nothing for six seconds ends, and an attempt to connect after five. A server that is
// only slow acknowledges.
func Configure(c *pgxpool.Config, o Options) error {
	if o.MaxConns > 0 {
		c.MaxConns = o.MaxConns
	}
	if o.Tracer != nil {
		c.ConnConfig.Tracer = o.Tracer
	}
	if o.StatementTimeout > 0 {
		c.ConnConfig.RuntimeParams["statement_timeout"] = fmt.Sprint(o.StatementTimeout.Milliseconds())
	}
	if o.Paranoid {
		configureParanoid(c)
	}
	if o.ConfigurePool != nil {
		o.ConfigurePool(c)
	}
	alive.Pool(c)
	return checkPool(c, o)
}

// configureParanoid leaves no named statement to poison and clears the session on
// release. The pool closes the connection when clearing does not succeed.
func configureParanoid(c *pgxpool.Config) {
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	before := c.AfterRelease
	c.AfterRelease = func(conn *pgx.Conn) bool {
		if before != nil && !before(conn) {
			return false
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := conn.Exec(ctx, "discard all")
		return err == nil
	}
}

// checkPool refuses what would break the promise: the simple protocol sends values
// as text of the statement, and a pool that skips the clearing is not paranoid.
func checkPool(c *pgxpool.Config, o Options) error {
	mode := c.ConnConfig.DefaultQueryExecMode
	if mode == pgx.QueryExecModeSimpleProtocol {
		return errors.New("the simple protocol is not supported: use default_query_exec_mode=exec or cache_describe " +
			"behind a pooler")
	}
	if o.Paranoid && (c.AfterRelease == nil || (mode != pgx.QueryExecModeCacheDescribe && mode != pgx.QueryExecModeExec)) {
		return errors.New("a paranoid pool must come from Configure: it clears the session on release and names no statement")
	}
	return nil
}
