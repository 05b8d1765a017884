package moat

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	return db.inTx(ctx, pgx.TxOptions{}, fn)
}

// InReadTx is [DB.InTx] in a repeatable-read, read-only transaction: one snapshot for
// all statements, and a write is an error.
func (db *DB) InReadTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.inTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// rollbackTimeout bounds a rollback whose caller's context has already ended.
const rollbackTimeout = 5 * time.Second

func (db *DB) inTx(ctx context.Context, o pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	conn, scope, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // the pool closes a connection that is still in a transaction
	inner, err := db.begin(ctx, conn.Conn(), o, &scope)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer rollback(ctx, inner) // does nothing after a commit
	if err := fn(&tx{inner, scope.Tenant, scope.Width, db.bind.tenantSetting}); err != nil {
		return err
	}
	if err := inner.Commit(ctx); err != nil {
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
		return nil, err
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
	tenant Tenant
	width  Width
	// setting is what the tenant column's default reads.
	setting string
}

func (t *tx) check(ctx context.Context) error {
	s, ok := ScopeFrom(ctx)
	switch {
	case !ok:
		return nil
	case s.Tenant != t.tenant:
		return ErrTenantMismatch
	case s.Width != t.width:
		return ErrWidthMismatch
	}
	return nil
}

func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.check(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	// Not Tx.Exec: without arguments that uses the simple protocol, which runs
	// several statements in one string.
	rows, err := t.Tx.Query(ctx, tagged(sql, t.width), args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.check(ctx); err != nil {
		return failedRows{err: err}, err
	}
	return t.Tx.Query(ctx, tagged(sql, t.width), args...)
}

func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.check(ctx); err != nil {
		return failedRows{err: err}
	}
	return t.Tx.QueryRow(ctx, tagged(sql, t.width), args...)
}

func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.check(ctx); err != nil {
		return failedBatch{err: err}
	}
	if t.width != Own {
		b = &pgx.Batch{QueuedQueries: taggedAll(b.QueuedQueries, t.width)}
	}
	return t.Tx.SendBatch(ctx, b)
}

// Prepare names a statement of this width: two widths that share a name would share its plan.
func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	return t.Tx.Prepare(ctx, name, tagged(sql, t.width))
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
	return &tx{inner, t.tenant, t.width, t.setting}, nil
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
	return bulkInsert(ctx, t, table, columns, src)
}
