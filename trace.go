package moat

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tracerOf is what a pool's connections call for each statement.
func tracerOf(pool *pgxpool.Pool) pgx.QueryTracer { return pool.Config().ConnConfig.Tracer }

// traced shows a tracer the last statement of a batch, which is the caller's. pgx itself
// shows batches, to tracers of batches, and not those that sendUnnamed sends.
func traced(tracer pgx.QueryTracer, how sender) sender {
	return func(conn *pgx.Conn, ctx context.Context, b *pgx.Batch) pgx.BatchResults {
		last := b.QueuedQueries[len(b.QueuedQueries)-1]
		ctx = tracer.TraceQueryStart(ctx, conn, pgx.TraceQueryStartData{SQL: last.SQL, Args: last.Arguments})
		return &tracedResults{BatchResults: how(conn, ctx, b), ended: func(err error) {
			tracer.TraceQueryEnd(ctx, conn, pgx.TraceQueryEndData{Err: err})
		}}
	}
}

// tracedResults tell a tracer when they are closed.
type tracedResults struct {
	pgx.BatchResults
	ended func(error)
}

// Query hands the end over to rows of pgx's own, which tell the tracer themselves.
func (r *tracedResults) Query() (pgx.Rows, error) {
	rows, err := r.BatchResults.Query()
	if _, own := rows.(unnamedRows); err == nil && !own {
		r.ended = nil
	}
	return rows, err
}

func (r *tracedResults) Close() error {
	err := r.BatchResults.Close()
	if r.ended != nil {
		r.ended(err)
		r.ended = nil
	}
	return err
}
