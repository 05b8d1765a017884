package moat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/guard"
)

// InTx runs fn in a transaction in which only the rows of the tenant of ctx are
// visible. It commits if fn returns nil and rolls back otherwise, even when fn panics.
//
// BEGIN and the settings go to the server together before fn is called, and the
// settings end with the transaction, so the connection carries nothing back to the
// pool. A context of another tenant inside fn is refused with [ErrTenantMismatch], one of
// another width with [ErrWidthMismatch].
// InTx returns [ErrNoTenant] before any round trip when ctx has no tenant; errors of
// fn are returned as they are. fn must use tx and not the DB: a second connection
// would not see its writes, and a pool of one has none to give.
func (db *DB) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.InTxWith(ctx, TxOptions{}, fn)
}

// InReadTx is [DB.InTx] in a repeatable-read, read-only transaction: one snapshot for
// all statements, and a write is an error. It runs on a replica where one is fresh enough:
// see [DB.Reader].
func (db *DB) InReadTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.Reader(ctx).InTxWith(ctx, TxOptions{TxOptions: pgx.TxOptions{IsoLevel: pgx.RepeatableRead,
		AccessMode: pgx.ReadOnly}}, fn)
}

// TxOptions configure a transaction. The zero value is the server's default: read
// committed, read and write, tried once.
type TxOptions struct {
	pgx.TxOptions
	// Retries is how often fn runs again, in a new transaction, after a serialization
	// failure (40001) or a deadlock (40P01). Zero means never.
	Retries int
}

// InTxWith is [DB.InTx] with options. With Retries, fn may run several times, so
// whatever it does outside the transaction must bear repeating.
func (db *DB) InTxWith(ctx context.Context, o TxOptions, fn func(tx pgx.Tx) error) error {
	for try := 0; ; try++ {
		err := db.inTx(ctx, o.TxOptions, fn)
		if try >= o.Retries || !retryable(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(backoff(try)):
		}
	}
}

func retryable(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "40001" || pgErr.Code == "40P01")
}

// backoff is random, so that two transactions that met do not meet again.
func backoff(try int) time.Duration {
	return time.Duration(rand.Int64N(int64(5 * time.Millisecond << min(try, 6))))
}

// Begin starts a transaction of the tenant of ctx with the server's defaults; see
// [DB.BeginTx].
func (db *DB) Begin(ctx context.Context) (pgx.Tx, error) {
	return db.BeginTx(ctx, pgx.TxOptions{})
}

// BeginTx starts a transaction of the tenant of ctx, for helpers that begin one
// themselves, such as pgx.BeginTxFunc; [DB.InTx] is simpler. Commit or Rollback must
// be called: each gives the connection back to the pool. BeginTx returns
// [ErrNoTenant] before any round trip when ctx has no tenant.
func (db *DB) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	conn, scope, err := db.acquire(ctx)
	if err != nil {
		return nil, err
	}
	inner, err := db.begin(ctx, conn.Conn(), o, &scope)
	if err != nil {
		conn.Release()
		return nil, fmt.Errorf("begin: %w", err)
	}
	return &tx{Tx: inner, scope: scope, bind: db.bind, release: sync.OnceFunc(conn.Release)}, nil
}

// rollbackTimeout bounds a rollback whose caller's context has already ended.
const rollbackTimeout = 5 * time.Second

func (db *DB) inTx(ctx context.Context, o pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	t, err := db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer rollback(ctx, t) // does nothing after a commit
	if err := fn(t); err != nil {
		return err
	}
	if err := t.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// begin sends BEGIN and the binding in one round trip.
func (db *DB) begin(ctx context.Context, conn *pgx.Conn, o pgx.TxOptions, s *Scope) (pgx.Tx, error) {
	batch := &pgx.Batch{}
	batch.BeginTx(o)
	if _, err := db.bind.queue(ctx, batch, conn, s); err != nil {
		return nil, err
	}
	results := conn.SendBatch(ctx, batch)
	if err := results.Close(); err != nil {
		if begun := results.Tx(); begun != nil {
			rollback(ctx, begun)
		}
		return nil, guard.From(ctx).Typed(err)
	}
	return results.Tx(), nil
}

// rollback must not fail only because the caller's context ended. pgx closes the
// connection when it does fail, and then nothing of the transaction survives either.
func rollback(ctx context.Context, t pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = t.Rollback(ctx)
}

// tx is a transaction bound to one tenant and width. A context that names another is a
// mistake in the program, and going on would show one tenant's rows to the other.
type tx struct {
	pgx.Tx
	scope   Scope
	bind    *binder
	release func() // gives the connection back; nil in a savepoint
}

// Commit commits what is still the transaction that began. SQL that ended it without
// our seeing, as a query rewriter can, has lost the settings with it.
func (t *tx) Commit(ctx context.Context) error {
	defer t.end()
	if t.Conn().PgConn().TxStatus() == 'I' {
		rollback(ctx, t.Tx)
		return ErrTransactionControl
	}
	return typed(t.Tx.Commit(ctx))
}

func (t *tx) Rollback(ctx context.Context) error {
	defer t.end()
	return t.Tx.Rollback(ctx)
}

// end gives the connection back; the pool closes one that is still in a transaction.
func (t *tx) end() {
	if t.release != nil {
		t.release()
	}
}

func (t *tx) check(ctx context.Context) error {
	s, ok := ScopeFrom(ctx)
	switch {
	case !ok:
		return nil
	case s.Tenant != t.scope.Tenant:
		return ErrTenantMismatch
	case s.Width != t.scope.Width:
		return ErrWidthMismatch
	case s.Role != t.scope.Role || s.Subject != t.scope.Subject || t.bind.issuer && s.Issuer != t.scope.Issuer:
		return ErrScopeMismatch
	}
	return nil
}

// checkStatement is check for a context with a statement.
func (t *tx) checkStatement(ctx context.Context, sql string) error {
	if err := t.check(ctx); err != nil {
		return err
	}
	return t.bind.permit(sql)
}

func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	// Not Tx.Exec: without arguments that uses the simple protocol, which runs
	// several statements in one string.
	rows, err := t.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.checkStatement(ctx, sql); err != nil {
		return failedRows{err: err}, err
	}
	rows, err := t.Tx.Query(ctx, tagged(sql, t.scope.Width), forTx(sql, args)...)
	return typedRows{rows}, typed(err)
}

func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.checkStatement(ctx, sql); err != nil {
		return failedRows{err: err}
	}
	return typedRow{t.Tx.QueryRow(ctx, tagged(sql, t.scope.Width), forTx(sql, args)...)}
}

func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := cmp.Or(t.check(ctx), t.bind.permitAll(b.QueuedQueries)); err != nil {
		return failedBatch{err: err}
	}
	if t.scope.Width != Own {
		b = &pgx.Batch{QueuedQueries: taggedAll(b.QueuedQueries, t.scope.Width)}
	}
	return typedBatch{t.Tx.SendBatch(ctx, b)}
}

// Prepare names a statement of this width: two widths that share a name would share its plan.
func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	return t.Tx.Prepare(ctx, name, tagged(sql, t.scope.Width))
}

// Begin opens a savepoint that is bound to the same tenant and width.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	inner, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &tx{Tx: inner, scope: t.scope, bind: t.bind}, nil
}

// CopyFrom inserts as [DB.BulkInsert] does: PostgreSQL refuses COPY FROM under
// row-level security.
func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string,
	src pgx.CopyFromSource) (int64, error) {
	if err := t.check(ctx); err != nil {
		return 0, err
	}
	if err := t.namesTenant(ctx, table, columns); err != nil {
		return 0, fmt.Errorf("bulk insert: %w", err)
	}
	return bulkInsert(ctx, t, table, columns, src, t.bind.spread)
}
