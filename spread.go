package moat

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sendSpread sends a batch as a transaction that a BEGIN began: BEGIN, the batch, Sync,
// COMMIT, Sync, all at once. The second Sync is why the connection is idle afterwards also
// where a statement failed: the server skips to the first only, and COMMIT rolls back.
func sendSpread(named bool) sender {
	return func(conn *pgx.Conn, ctx context.Context, b *pgx.Batch) pgx.BatchResults {
		built := make([]wireStatement, len(b.QueuedQueries))
		for i, q := range b.QueuedQueries {
			var err error
			if built[i], err = buildStatement(ctx, conn, q, named); err != nil {
				return failedBatch{err: err}
			}
		}
		r := &spreadResults{conn: conn, queued: b.QueuedQueries, ctx: ctx}
		r.tracer, _ = conn.Config().Tracer.(pgx.BatchTracer)
		if r.tracer != nil {
			r.ctx = r.tracer.TraceBatchStart(ctx, conn, pgx.TraceBatchStartData{Batch: b})
		}
		r.line = conn.PgConn().StartPipeline(ctx)
		r.line.SendQueryParams("begin", nil, nil, nil, nil)
		for i := range built {
			built[i].send(r.line)
		}
		r.line.SendPipelineSync()
		r.line.SendQueryParams("commit", nil, nil, nil, nil)
		if err := r.line.Sync(); err != nil {
			r.err = err
			return r
		}
		_, r.err = r.next()
		return r
	}
}

// wireStatement is a statement with its parameters encoded; name is "" for one that is not
// prepared.
type wireStatement struct {
	name, sql string
	built     pgx.ExtendedQueryBuilder
}

func (w *wireStatement) send(line *pgconn.Pipeline) {
	b := &w.built
	if w.name == "" {
		line.SendQueryParams(w.sql, b.ParamValues, nil, b.ParamFormats, b.ResultFormats)
		return
	}
	line.SendQueryPrepared(w.name, b.ParamValues, b.ParamFormats, b.ResultFormats)
}

// buildStatement encodes a statement, and prepares it the first time that it comes on this
// connection, where the pool's statements are prepared.
func buildStatement(ctx context.Context, conn *pgx.Conn, q *pgx.QueuedQuery, named bool) (w wireStatement, err error) {
	w.sql = q.SQL
	args := q.Arguments
	if len(args) > 0 {
		if rewriter, ok := args[0].(pgx.QueryRewriter); ok {
			if w.sql, args, err = rewriter.RewriteQuery(ctx, conn, w.sql, args[1:]); err != nil {
				return w, fmt.Errorf("rewrite query: %w", err)
			}
		}
	}
	var described *pgconn.StatementDescription
	if named && conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		if described, err = prepareSpread(ctx, conn, w.sql); err != nil {
			return w, err
		}
		w.name = described.Name
	}
	return w, w.built.Build(conn.TypeMap(), described, args)
}

const spreadKey = "moat.spread"

// prepareSpread prepares a statement once on a connection. Of many, the one that was used
// least lately makes room.
func prepareSpread(ctx context.Context, conn *pgx.Conn, sql string) (*pgconn.StatementDescription, error) {
	data := conn.PgConn().CustomData()
	known, _ := data[spreadKey].([]string)
	if i := slices.Index(known, sql); i >= 0 {
		known = slices.Delete(known, i, i+1)
	} else if len(known) >= conn.Config().StatementCacheCapacity && len(known) > 0 {
		if err := conn.Deallocate(ctx, known[0]); err != nil {
			return nil, err
		}
		known = slices.Delete(known, 0, 1)
	}
	data[spreadKey] = append(known, sql)
	return conn.Prepare(ctx, sql, sql)
}

// forgetSpread drops statements whose plans the server no longer has or may not use.
func forgetSpread(ctx context.Context, conn *pgx.Conn, queued []*pgx.QueuedQuery) {
	for _, q := range queued {
		_ = conn.Deallocate(ctx, q.SQL)
	}
}

// spreadResults are the results of a batch that sendSpread sent.
type spreadResults struct {
	ctx    context.Context
	conn   *pgx.Conn
	line   *pgconn.Pipeline
	queued []*pgx.QueuedQuery
	at     int // results read
	tracer pgx.BatchTracer
	err    error
	closed bool
}

// next is the next result. After an error there is none.
func (r *spreadResults) next() (*pgconn.ResultReader, error) {
	if r.err != nil {
		return nil, r.err
	}
	got, err := r.line.GetResults()
	if reader, ok := got.(*pgconn.ResultReader); ok && err == nil {
		return reader, nil
	}
	if err == nil {
		err = errNoResult
	}
	r.err = err
	return nil, err
}

// query is the next result that the caller sees.
func (r *spreadResults) query() (*pgconn.ResultReader, error) {
	if r.at >= len(r.queued) {
		return nil, errNoResult
	}
	reader, err := r.next()
	if r.tracer != nil {
		q := r.queued[r.at]
		r.tracer.TraceBatchQuery(r.ctx, r.conn, pgx.TraceBatchQueryData{SQL: q.SQL, Args: q.Arguments, Err: err})
	}
	r.at++
	return reader, err
}

func (r *spreadResults) Exec() (pgconn.CommandTag, error) {
	reader, err := r.query()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := reader.Close()
	if err != nil {
		r.err = err
	}
	return tag, err
}

func (r *spreadResults) Query() (pgx.Rows, error) {
	reader, err := r.query()
	if err != nil {
		return failedRows{err: err}, err
	}
	return unnamedRows{pgx.RowsFromResultReader(r.conn.TypeMap(), reader), r.conn}, nil
}

func (r *spreadResults) QueryRow() pgx.Row {
	rows, err := r.Query()
	if err != nil {
		return failedRows{err: err}
	}
	return firstRow{rows}
}

// firstRow is the first of rows that hold no connection of their own.
type firstRow struct{ pgx.Rows }

func (r firstRow) Scan(dest ...any) error {
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.Rows.Scan(dest...); err != nil {
		return err
	}
	r.Close()
	return r.Err()
}

// Close runs what waits for results that nobody has read, and reads up to the end, which is
// where a commit fails.
func (r *spreadResults) Close() error {
	if r.closed {
		return r.err
	}
	for r.err == nil && r.at < len(r.queued) {
		if fn := r.queued[r.at].Fn; fn != nil {
			if err := fn(r); err != nil && r.err == nil {
				r.err = err
			}
		} else {
			_, _ = r.Exec()
		}
	}
	r.closed = true
	if err := r.line.Close(); r.err == nil {
		r.err = err
	}
	if r.tracer != nil {
		r.tracer.TraceBatchEnd(r.ctx, r.conn, pgx.TraceBatchEndData{Err: r.err})
	}
	if stale(r.err) && !r.conn.IsClosed() {
		forgetSpread(r.ctx, r.conn, r.queued)
	}
	return r.err
}

// stale recognises what a prepared statement fails by once the schema or the session changed.
func stale(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "0A000" || pgErr.Code == "26000")
}

func (*spreadResults) Tx() pgx.Tx { return nil }
