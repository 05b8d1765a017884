package moatsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// conn is what database/sql takes for a connection: a place in which one statement or
// transaction runs at a time.
type conn struct {
	db   *moat.DB
	seen *texts
	tx   pgx.Tx // the open transaction; nil where there is none
}

// querier is what moat.DB and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (c *conn) querier() querier {
	if c.tx != nil {
		return c.tx
	}
	return c.db
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	pgxRows, err := c.querier().Query(ctx, query, c.arguments(query, args)...)
	if err != nil {
		return nil, err
	}
	return newRows(pgxRows)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	rows, err := c.querier().Query(ctx, query, c.arguments(query, args)...)
	if err != nil {
		return nil, err
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return driver.RowsAffected(rows.CommandTag().RowsAffected()), nil
}

// arguments are pgx's for a statement. One without parameters is prepared only when it
// comes again: libraries that write values into the text, as Bun does, would otherwise
// fill the cache of prepared statements with texts that nobody sends twice.
func (c *conn) arguments(query string, named []driver.NamedValue) []any {
	if len(named) == 0 && !c.seen.again(query) {
		return []any{pgx.QueryExecModeExec}
	}
	args := make([]any, len(named))
	for i, v := range named {
		args[i] = v.Value
	}
	return args
}

// CheckNamedValue leaves every value to pgx, which knows more types than database/sql.
func (c *conn) CheckNamedValue(*driver.NamedValue) error { return nil }

// PrepareContext sends nothing: pgx prepares a statement when it is first used, on the
// connection that it is used on.
func (c *conn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &stmt{conn: c, query: query}, nil
}

// Prepare is PrepareContext; neither needs a tenant.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// BeginTx starts a transaction of the tenant of ctx, with the binding in the same
// round trip.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	options, err := txOptions(o)
	if err != nil {
		return nil, err
	}
	if c.tx, err = c.db.BeginTx(ctx, options); err != nil {
		c.tx = nil
		return nil, err
	}
	return &tx{conn: c, ctx: context.WithoutCancel(ctx)}, nil
}

// Begin is for callers without a context, who cannot say for which tenant.
func (c *conn) Begin() (driver.Tx, error) { return nil, moat.ErrNoTenant }

var isolation = map[sql.IsolationLevel]pgx.TxIsoLevel{
	sql.LevelDefault: "", sql.LevelReadUncommitted: pgx.ReadUncommitted, sql.LevelReadCommitted: pgx.ReadCommitted,
	sql.LevelRepeatableRead: pgx.RepeatableRead, sql.LevelSnapshot: pgx.RepeatableRead,
	sql.LevelSerializable: pgx.Serializable,
}

func txOptions(o driver.TxOptions) (pgx.TxOptions, error) {
	level, ok := isolation[sql.IsolationLevel(o.Isolation)]
	if !ok {
		return pgx.TxOptions{}, fmt.Errorf("PostgreSQL has no isolation level %s", sql.IsolationLevel(o.Isolation))
	}
	options := pgx.TxOptions{IsoLevel: level}
	if o.ReadOnly {
		options.AccessMode = pgx.ReadOnly
	}
	return options, nil
}

// Ping checks that the database answers, and that row-level security still binds the
// role. It needs no tenant.
func (c *conn) Ping(ctx context.Context) error { return c.db.Check(ctx) }

// ResetSession has nothing to reset: no statement leaves a session behind.
func (c *conn) ResetSession(context.Context) error { return nil }

// IsValid says no to a place whose transaction was never ended.
func (c *conn) IsValid() bool { return c.tx == nil }

// Close rolls back a transaction that was left open.
func (c *conn) Close() error {
	if c.tx == nil {
		return nil
	}
	return (&tx{conn: c, ctx: context.Background()}).Rollback()
}

// tx ends the transaction of its conn. Its context is not the one that began it, which
// may have ended: that would cut the connection instead of ending the transaction.
type tx struct {
	conn *conn
	ctx  context.Context
}

func (t *tx) Commit() error   { return t.end(pgx.Tx.Commit) }
func (t *tx) Rollback() error { return t.end(pgx.Tx.Rollback) }

func (t *tx) end(how func(pgx.Tx, context.Context) error) error {
	open := t.conn.tx
	if open == nil {
		return errors.New("transaction has ended already")
	}
	t.conn.tx = nil
	return how(open, t.ctx)
}

// stmt is a statement's text; each use binds the tenant of its own context.
type stmt struct {
	conn  *conn
	query string
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

func (s *stmt) CheckNamedValue(v *driver.NamedValue) error { return s.conn.CheckNamedValue(v) }
func (s *stmt) Close() error                               { return nil }
func (s *stmt) NumInput() int                              { return -1 }

// Exec and Query have no context and so no tenant.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, moat.ErrNoTenant }
func (s *stmt) Query([]driver.Value) (driver.Rows, error)  { return nil, moat.ErrNoTenant }
