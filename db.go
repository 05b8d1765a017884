package moat

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/internal/guard"
)

// DB runs statements as the tenant of their context, over a pool of connections.
// It is safe for concurrent use. Its methods are those that sqlc's DBTX asks for.
type DB struct {
	pool    *pgxpool.Pool
	bind    *binder
	checked atomic.Bool // the role was found safe
	owned   bool        // Close closes the pool
	tracer  pgx.QueryTracer

	replicas *replicas // nil for none
	primary  *DB       // of a replica; nil for the primary itself
}

// Open connects to url, checks that row-level security binds the role it names, and
// returns a DB. url is a connection string as libpq and pgx read it; empty means the
// PG* variables. o may be nil.
//
// Behind a pooler that gives each transaction another server process it names no statement
// and sets the start-up parameters in each transaction.
//
// It returns [*UnsafeRoleError] for a role that could see other tenants' rows,
// [ErrObserved] where moat protect only observes, and [ErrDistributed], [ErrNoSetTenant] or
// [ErrSealedDistributed] where the binding does not reach the servers of Citus, and
// [ErrNotReplica] for a replica that is none. Close the DB when done.
func Open(ctx context.Context, url string, o *Options) (*DB, error) {
	opts, err := resolve(o)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx's message repeats the string, password and all.
		return nil, fmt.Errorf("parse connection string: %w", errConnString)
	}
	if err := Configure(config, opts); err != nil {
		return nil, err
	}
	pooled, err := behindPooler(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	bind, err := bindingTo(ctx, config.ConnConfig, opts, pooled)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	db := &DB{pool: pool, bind: bind, owned: true, tracer: tracerOf(pool)}
	if err := db.Check(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	if err := db.openReplicas(ctx, opts); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// bindingTo is how scopes are bound to the database of a configuration, which it fits to that.
func bindingTo(ctx context.Context, c *pgx.ConnConfig, opts Options, pooled bool) (*binder, error) {
	var carried []setting
	if pooled {
		var err error
		if carried, err = withoutSession(c); err != nil {
			return nil, err
		}
		if opts.Sealer != nil && !anyBackend(opts.Sealer) {
			return nil, ErrPoolerHidesProcess
		}
	}
	citus, err := opts.Citus.detected(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	if opts.Citus = citus; citus == CitusOn {
		if opts.Sealer != nil {
			return nil, ErrSealedDistributed
		}
		withoutGeneric(c)
	}
	bind := newBinder(opts)
	bind.pooled = carried
	return bind, nil
}

// New returns a DB over a pool that the caller made, preferably from a configuration
// that [Configure] prepared, and keeps. It does no I/O: the role is checked before
// the first statement. o may be nil. Close leaves the pool open.
func New(pool *pgxpool.Pool, o *Options) (*DB, error) {
	opts, err := resolve(o)
	if err != nil {
		return nil, err
	}
	if err := checkPool(pool.Config(), opts); err != nil {
		return nil, err
	}
	return &DB{pool: pool, bind: newBinder(opts), tracer: tracerOf(pool)}, nil
}

func resolve(o *Options) (Options, error) {
	if o == nil {
		o = &Options{}
	}
	return o.withDefaults()
}

// Close closes the pool of a DB that [Open] returned, and waits for connections in
// use.
func (db *DB) Close() {
	if db.replicas != nil {
		db.replicas.close()
	}
	if db.owned {
		db.pool.Close()
	}
}

// UnscopedPool returns the pool itself, for LISTEN, and for what a tool or a metric needs
// of it. Statements on its connections have no tenant, so they see no tenant's rows; what
// they leave in a session, the next statement of any tenant finds.
func (db *DB) UnscopedPool() *pgxpool.Pool { return db.pool }

// Spread reports whether scopes are bound so that the other servers of Citus see them.
func (db *DB) Spread() bool { return db.bind.spread }

// Stat returns the pool's counters.
func (db *DB) Stat() *pgxpool.Stat { return db.pool.Stat() }

// Check checks again whether row-level security binds the role of the pool's
// connections, and the binding the servers of its tables, and returns the errors of [Open]
// when not. It is
// for readiness probes: attributes and memberships may change while a program runs.
func (db *DB) Check(ctx context.Context) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("check role: %w", err)
	}
	defer conn.Release()
	err = checkRole(ctx, conn.Conn())
	if err == nil {
		err = CheckObserved(ctx, conn.Conn())
	}
	if err == nil {
		err = db.bind.checkSpread(ctx, conn.Conn())
	}
	db.checked.Store(err == nil)
	return err
}

// Exec runs a statement as the tenant of ctx, in one round trip and a transaction of
// its own. The write is committed when err is nil.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := db.query(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// Query runs a statement as the tenant of ctx, in one round trip and a transaction of
// its own, and returns its rows. As with pgx, the rows must be closed or read to the
// end; an error before the first row is also returned by the rows' Err. A write of the
// statement (RETURNING) is committed when the rows are closed and Err is nil.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := db.query(ctx, sql, args)
	if err != nil {
		return failedRows{err: err}, err
	}
	return rows, nil
}

// QueryRow is [DB.Query] for a statement of which the first row is wanted. Its Scan
// returns the error of the statement, or pgx.ErrNoRows.
func (db *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := db.query(ctx, sql, args)
	if err != nil {
		return failedRows{err: err}
	}
	return row{rows}
}

// SendBatch runs the statements of b as the tenant of ctx, in one round trip and one
// transaction: all of them or none. b must not have begun a transaction itself
// (Batch.BeginTx): [DB.InTx] is for that. The results must be closed.
func (db *DB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	conn, results, err := db.send(ctx, db.sender(true), &pgx.Batch{}, b.QueuedQueries...)
	if err != nil {
		return failedBatch{err: err}
	}
	return &batchResults{BatchResults: typedBatch{results}, conn: conn}
}

// query sends the binding and one statement, reads the binding's result and returns
// the rows of the statement.
func (db *DB) query(ctx context.Context, sql string, args []any) (*rows, error) {
	args, named, err := forBatch(sql, args)
	if err != nil {
		return nil, err
	}
	how := db.sender(named)
	if _, seen := db.tracer.(pgx.BatchTracer); db.tracer != nil && (!named && !db.bind.spread || !seen) {
		how = traced(db.tracer, how)
	}
	r := &rows{statement: pgx.QueuedQuery{SQL: sql, Arguments: args}}
	r.batch.QueuedQueries = r.queued[:0]
	if r.conn, r.results, err = db.send(ctx, how, &r.batch, &r.statement); err != nil {
		return nil, err
	}
	if r.Rows, err = r.results.Query(); err != nil {
		_ = r.results.Close() // the statement's own error says more
		r.conn.Release()
		return nil, typed(err)
	}
	return r, nil
}

// sender is how the binding and statements are sent, prepared or not.
func (db *DB) sender(named bool) sender {
	switch {
	case db.bind.spread:
		return sendSpread(named)
	case named:
		return (*pgx.Conn).SendBatch
	}
	return sendUnnamed
}

// sender sends a batch; (*pgx.Conn).SendBatch is the usual one.
type sender func(*pgx.Conn, context.Context, *pgx.Batch) pgx.BatchResults

// send borrows a connection, sends the binding and the statements together in batch,
// which is empty, and reads the results of the binding. Up to the Sync at its end such a pipeline is one
// implicit transaction, so the transaction-local settings cover exactly these
// statements; where binding fails the server skips the rest.
func (db *DB) send(ctx context.Context, how sender, batch *pgx.Batch,
	queries ...*pgx.QueuedQuery) (*pgxpool.Conn, pgx.BatchResults, error) {
	if err := db.bind.permitAll(queries); err != nil {
		return nil, nil, err
	}
	conn, scope, err := db.acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	n, err := db.bind.queue(ctx, batch, conn.Conn(), &scope)
	if err != nil {
		conn.Release()
		return nil, nil, err
	}
	batch.QueuedQueries = append(batch.QueuedQueries, taggedAll(queries, scope.Width)...)
	results := how(conn.Conn(), ctx, batch)
	if err := discard(results, n); err != nil {
		_ = results.Close()
		conn.Release()
		return nil, nil, guard.From(ctx).Typed(err)
	}
	return conn, results, nil
}

// acquire checks the scope before it borrows a connection: no tenant, no round trip.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, Scope, error) {
	scope, ok := ScopeFrom(ctx)
	if !ok {
		return nil, scope, ErrNoTenant
	}
	if err := db.bind.check(&scope); err != nil {
		return nil, scope, err
	}
	if !db.checked.Load() && db.primary == nil { // each connection to a replica is checked
		if err := db.Check(ctx); err != nil {
			return nil, scope, err
		}
	}
	conn, err := db.pool.Acquire(ctx)
	if err != nil && db.primary != nil && ctx.Err() == nil {
		return db.primary.acquire(ctx)
	}
	if err != nil {
		return nil, scope, fmt.Errorf("acquire connection: %w", err)
	}
	return conn, scope, nil
}

func discard(results pgx.BatchResults, n int) error {
	for range n {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	return nil
}
