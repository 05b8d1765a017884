package moat

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/guard"
)

// binder queues the statement that ties a scope to the transaction it runs in. One
// SELECT sets everything, so that binding is one statement of the batch.
type binder struct {
	sql    string    // sets the settings; "" where there are none
	bare   string    // sql for a scope that is a tenant and nothing else
	set    []setting // by sql, in its order
	widen  []setting // set in addition for a wide scope; none where there is no tree
	unsent []unsent
	sealer Sealer
	sealed bool
	idType TenantType
	// tenantSetting is the plain setting, which sealed mode sets too.
	tenantSetting string
	paranoid      bool // the pool clears the session
	issuer        bool // policies may read the scope's
	// joined puts the settings into the seal's statement: where nothing is prepared, a
	// statement of their own costs the server as much as a read.
	joined bool
	// spread binds by the function that reaches the other servers of Citus.
	spread bool
	guards sync.Map // statements of guarded by the guard's text, of which a schema has few
	// pooled are parameters that a pooler does not carry, set in each transaction.
	pooled []setting
}

// setting is a run-time parameter and what a scope sets it to.
type setting struct {
	name  string
	value func(*Scope) string
}

// unsent is a fact of the scope that this DB has no setting for.
type unsent struct {
	option string
	value  func(*Scope) string
}

func newBinder(o Options) *binder {
	b := &binder{idType: o.TenantType, sealer: o.Sealer, sealed: o.Sealer != nil, widen: widening(o),
		tenantSetting: o.TenantSetting, paranoid: o.Paranoid, spread: o.Citus == CitusOn}
	if b.spread {
		b.widen = nil // a role does not reach the other servers
	}
	if !b.sealed {
		b.set = append(b.set, setting{o.TenantSetting, func(s *Scope) string { return string(s.Tenant) }})
	}
	b.add(o.SubjectSetting, "SubjectSetting", func(s *Scope) string { return s.Subject })
	b.add(o.RoleSetting, "RoleSetting", func(s *Scope) string { return s.Role })
	b.add(o.ClaimsSetting, "ClaimsSetting", func(s *Scope) string { return string(s.Claims) })
	b.issuer = b.sealed || o.IssuerSetting != ""
	switch {
	case o.IssuerSetting != "" && b.spread:
		b.add(NotSent, "IssuerSetting", issuerOf) // moat.set_tenant has no place for it
	case o.IssuerSetting != "":
		b.add(o.IssuerSetting, "IssuerSetting", issuerOf)
	}
	if len(b.set) > 0 {
		b.sql = "select " + setConfigs(b.set, 1)
		tenant := min(len(b.set), 1)
		if b.sealed {
			tenant = 0 // the seal carries it
		}
		b.bare = "select " + strings.Trim(setConfigs(b.set[:tenant], 1)+", "+emptyConfigs(b.set[tenant:]), ", ")
	}
	return b
}

func issuerOf(s *Scope) string { return s.Issuer }

func (b *binder) add(name, option string, value func(*Scope) string) {
	if name == NotSent {
		b.unsent = append(b.unsent, unsent{option, value})
		return
	}
	b.set = append(b.set, setting{name, value})
}

// widening is what makes a scope wide. The role chooses the policies; it ends with the
// transaction, as every setting here does, also when that ends in an error. A
// transaction that reads only cannot be made to write again once it has a snapshot,
// which the binding itself takes.
func widening(o Options) []setting {
	if o.TreeRole == "" {
		return nil
	}
	constant := func(value string) func(*Scope) string { return func(*Scope) string { return value } }
	widen := []setting{{"role", constant(o.TreeRole)}}
	if !o.WritesBelow {
		widen = append(widen, setting{"transaction_read_only", constant("on")})
	}
	return widen
}

// emptyConfigs is a select list that empties settings by constants, which cost less than
// parameters do.
func emptyConfigs(settings []setting) string {
	calls := make([]string, len(settings))
	for i, s := range settings {
		calls[i] = fmt.Sprintf("pg_catalog.set_config('%s', '', true)", s.name)
	}
	return strings.Join(calls, ", ")
}

// setConfigs is a select list that sets settings to $first, … for the transaction. The
// names were checked by Options.withDefaults and hold no quote.
func setConfigs(settings []setting, first int) string {
	calls := make([]string, len(settings))
	for i, s := range settings {
		calls[i] = fmt.Sprintf("pg_catalog.set_config('%s', $%d, true)", s.name, first+i)
	}
	return strings.Join(calls, ", ")
}

// UnsentError is returned, before any round trip, for a [Scope] with a fact that the
// Options keep from the database.
type UnsentError struct {
	Option string // "SubjectSetting", "RoleSetting", "ClaimsSetting" or "IssuerSetting"
}

func (e *UnsentError) Error() string {
	return "scope carries a fact that Options." + e.Option + " keeps from the database"
}

// check refuses, before any round trip, a scope that cannot be bound as it is.
func (b *binder) check(s *Scope) error {
	if err := b.idType.Validate(s.Tenant); err != nil {
		return err
	}
	if s.Width > Descendants {
		return fmt.Errorf("scope has an unknown width, %d", s.Width)
	}
	if s.Width == Descendants && len(b.widen) == 0 {
		return ErrNoTree
	}
	for _, u := range b.unsent {
		if u.value(s) != "" {
			return &UnsentError{Option: u.option}
		}
	}
	return nil
}

// queue puts the binding statements in front of a batch and returns how many
// results they have. The first of them widens.
func (b *binder) queue(ctx context.Context, batch *pgx.Batch, conn *pgx.Conn, s *Scope) (int, error) {
	return b.queueOn(ctx, batch, conn.PgConn().PID(), s)
}

func (b *binder) queueOn(ctx context.Context, batch *pgx.Batch, backend uint32, s *Scope) (int, error) {
	g := guard.From(ctx)
	if g.SQL == "" || b.joins(s) {
		return b.queueBinding(ctx, batch, backend, s, g)
	}
	n, err := b.queueBinding(ctx, batch, backend, s, guard.Guard{})
	batch.Queue("select "+g.SQL, g.Args...)
	return n + 1, err
}

// joins reports whether a guard is asked by the statement that sets a scope's settings. One
// that changes the role, or is a function's, asks nothing else.
func (b *binder) joins(s *Scope) bool { return b.sql != "" && !b.spread && !b.joined && s.Width == Own }

func (b *binder) queueBinding(ctx context.Context, batch *pgx.Batch, backend uint32, s *Scope,
	g guard.Guard) (int, error) {
	var widen []setting
	if s.Width == Descendants {
		widen = b.widen
	}
	n := 0
	if len(b.pooled) > 0 {
		queueWith(batch, "select true", nil, b.pooled, s)
		n++
	}
	if b.spread {
		b.queueSpread(batch, s)
		return n + 1, nil
	}
	if b.sealed {
		sql, args, err := b.sealer.Bind(ctx, s.Tenant, backend)
		if err != nil {
			return 0, fmt.Errorf("seal tenant: %w", err)
		}
		if b.joined && b.sql != "" {
			queueWith(batch, sql, args, slices.Concat(b.set, widen), s)
			return n + 1, nil
		}
		queueWith(batch, sql, args, widen, s)
		widen = nil
		n++
	}
	if b.sql == "" {
		return n, nil
	}
	if g.SQL != "" {
		batch.Queue(b.guarded(g), values(slices.Clone(g.Args), b.set, s)...)
		return n + 1, nil
	}
	if widen == nil && s.Subject == "" && s.Role == "" && len(s.Claims) == 0 && (s.Issuer == "" || !b.issuer) {
		b.queueBare(batch, s.Tenant)
		return n + 1, nil
	}
	queueWith(batch, b.sql, values(make([]any, 0, len(b.set)+len(widen)), b.set, s), widen, s)
	return n + 1, nil
}

// guarded is the statement that sets the settings and then asks a guard: PostgreSQL evaluates
// no branch of a CASE before its condition.
func (b *binder) guarded(g guard.Guard) string {
	if sql, known := b.guards.Load(g.SQL); known {
		return sql.(string)
	}
	sql := "select case when pg_catalog.num_nulls(" + setConfigs(b.set, len(g.Args)+1) + ") >= 0 then " + g.SQL + " end"
	b.guards.Store(g.SQL, sql)
	return sql
}

// queueBare queues the binding of a scope that is a tenant and nothing else.
func (b *binder) queueBare(batch *pgx.Batch, tenant Tenant) {
	if b.sealed {
		batch.Queue(b.bare)
		return
	}
	batch.Queue(b.bare, string(tenant))
}

// queueWith queues a SELECT that sets further settings at the end of its list.
func queueWith(batch *pgx.Batch, sql string, args []any, more []setting, s *Scope) {
	if len(more) > 0 {
		sql += ", " + setConfigs(more, len(args)+1)
		args = values(args, more, s)
	}
	batch.Queue(sql, args...)
}

// Statement is a statement whose parameters are text.
type Statement struct {
	SQL  string
	Args []string
}

// Binding says what a [DB] sends to tie a transaction to a scope, for programs that speak
// PostgreSQL's protocol themselves. It is safe for concurrent use.
type Binding struct{ b *binder }

// NewBinding returns the Binding of a [DB] with these Options. o may be nil.
func NewBinding(o *Options) (*Binding, error) {
	opts, err := resolve(o)
	if err != nil {
		return nil, err
	}
	b := newBinder(opts)
	b.joined = true
	return &Binding{b}, nil
}

// Sealed reports whether the statements hold on one connection and for a short time only.
func (b *Binding) Sealed() bool { return b.b.sealed }

// Statements returns what ties a transaction to s on the connection with this backend
// process id. The settings' values are the statements' parameters, as text. It returns
// [ErrNoTenant] when s has no tenant.
func (b *Binding) Statements(ctx context.Context, s Scope, backend uint32) ([]Statement, error) {
	if err := b.b.check(&s); err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	if _, err := b.b.queueOn(WithScope(ctx, s), batch, backend, &s); err != nil {
		return nil, err
	}
	statements := make([]Statement, len(batch.QueuedQueries))
	for i, q := range batch.QueuedQueries {
		statements[i] = Statement{q.SQL, make([]string, len(q.Arguments))}
		for j, arg := range q.Arguments {
			statements[i].Args[j] = asText(arg)
		}
	}
	return statements, nil
}

// Settings are what a [DB] with these Options sets for s, by name, without a seal. o may
// be nil.
func Settings(s Scope, o *Options) (map[string]string, error) {
	opts, err := resolve(o)
	if err != nil {
		return nil, err
	}
	opts.Sealer = nil
	b := newBinder(opts)
	if err := b.check(&s); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, set := range b.set {
		out[set.name] = set.value(&s)
	}
	return out, nil
}

// asText is an argument as PostgreSQL reads it in text.
func asText(arg any) string {
	if raw, ok := arg.([]byte); ok {
		return fmt.Sprintf(`\x%x`, raw)
	}
	return fmt.Sprint(arg)
}

// values appends what a scope sets the settings to.
func values(args []any, settings []setting, s *Scope) []any {
	for _, set := range settings {
		args = append(args, set.value(s))
	}
	return args
}

// Bind ties the transaction tx to s as a [DB] with these Options would. It is for
// transactions on connections that no DB hands out. It does not look whether row-level
// security binds the connection's role. It returns [ErrNoTenant] before any round trip
// when s has no tenant, finds out itself whether Citus has spread the tables, and returns
// [ErrDistributed] where it has and o says [CitusOff]. o may be nil.
func Bind(ctx context.Context, tx pgx.Tx, s Scope, o *Options) error {
	opts, err := resolve(o)
	if err != nil {
		return err
	}
	b := newBinder(opts)
	if err := b.check(&s); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	if _, err := b.queue(ctx, batch, tx.Conn(), &s); err != nil {
		return err
	}
	var citus bool
	if opts.Citus != CitusOn {
		batch.Queue(citusKnown).QueryRow(func(row pgx.Row) error { return row.Scan(&citus) })
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil || !citus {
		return err
	}
	return bindSpread(ctx, tx, s, opts)
}

// bindSpread binds again, by the function, where Citus has spread tables.
func bindSpread(ctx context.Context, tx pgx.Tx, s Scope, o Options) error {
	spread, err := spreads(ctx, tx.Conn())
	if err != nil || !spread {
		return err
	}
	switch {
	case o.Sealer != nil:
		return ErrSealedDistributed
	case o.Citus == CitusOff:
		return ErrDistributed
	}
	o.Citus = CitusOn
	return Bind(ctx, tx, s, &o)
}
