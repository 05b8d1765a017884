package moat

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sendUnnamed sends a batch as pgx does in its exec mode, whatever the pool's mode is: in
// one round trip, nothing is prepared and no cache filled. It is for statements that will
// not come again.
func sendUnnamed(conn *pgx.Conn, ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	wire := &pgconn.Batch{}
	for _, q := range b.QueuedQueries {
		if err := addUnnamed(ctx, wire, conn, q); err != nil {
			return failedBatch{err: err}
		}
	}
	return &unnamedResults{conn: conn, reader: conn.PgConn().ExecBatch(ctx, wire)}
}

func addUnnamed(ctx context.Context, wire *pgconn.Batch, conn *pgx.Conn, q *pgx.QueuedQuery) error {
	sql, args := q.SQL, q.Arguments
	if len(args) > 0 {
		if rewriter, ok := args[0].(pgx.QueryRewriter); ok {
			var err error
			if sql, args, err = rewriter.RewriteQuery(ctx, conn, sql, args[1:]); err != nil {
				return fmt.Errorf("rewrite query: %w", err)
			}
		}
	}
	var build pgx.ExtendedQueryBuilder
	if err := build.Build(conn.TypeMap(), nil, args); err != nil {
		return err
	}
	wire.ExecParams(sql, build.ParamValues, nil, build.ParamFormats, build.ResultFormats)
	return nil
}

// unnamedResults are the results of a batch that sendUnnamed sent.
type unnamedResults struct {
	conn   *pgx.Conn
	reader *pgconn.MultiResultReader
	err    error
	closed bool
}

var errNoResult = errors.New("statement has no result")

func (r *unnamedResults) Exec() (pgconn.CommandTag, error) {
	if !r.reader.NextResult() {
		return pgconn.CommandTag{}, r.fail()
	}
	tag, err := r.reader.ResultReader().Close()
	if err != nil {
		r.err = err
	}
	return tag, err
}

func (r *unnamedResults) Query() (pgx.Rows, error) {
	if !r.reader.NextResult() {
		err := r.fail()
		return failedRows{err: err}, err
	}
	return unnamedRows{pgx.RowsFromResultReader(r.conn.TypeMap(), r.reader.ResultReader()), r.conn}, nil
}

func (r *unnamedResults) QueryRow() pgx.Row { return failedRows{err: errors.ErrUnsupported} } // nobody asks

// fail closes the results early and says why there is none.
func (r *unnamedResults) fail() error {
	if err := r.Close(); err != nil {
		return err
	}
	return errNoResult
}

func (r *unnamedResults) Close() error {
	if r.closed {
		return r.err
	}
	r.closed = true
	if err := r.reader.Close(); r.err == nil {
		r.err = err
	}
	return r.err
}

func (*unnamedResults) Tx() pgx.Tx { return nil }

// unnamedRows know their connection, which pgx's own do not here.
type unnamedRows struct {
	pgx.Rows
	conn *pgx.Conn
}

func (r unnamedRows) Conn() *pgx.Conn { return r.conn }
