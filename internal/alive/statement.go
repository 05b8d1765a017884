package alive

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// grace is how long the answer to a statement may be late.
	grace = 2 * time.Second
	// borrowing is how long a pool may look for a connection that answers, as it asks one after
	// another; it has longer where connecting does.
	borrowing = 5 * time.Second
)

// Statements returns a tracer that ends waiting for what the server should have ended itself: one
// process that stands still does not keep its statement timeout, and gives a sign of life all the
// same through a pooler, or the server that it is one of. What is sent at once may take the timeout
// once, unless [Times] says otherwise. The connection ends. Looking for one that answers ends too.
func Statements(timeout, connect time.Duration) pgx.QueryTracer {
	return statements{timeout, max(borrowing, connect)}
}

type statements struct{ timeout, borrowing time.Duration }

type (
	timesKey struct{}
	endKey   struct{}
)

// Times returns a context in which statements sent at once may take the timeout so many times;
// 0 leaves them the deadline of the context alone.
func Times(ctx context.Context, n int) context.Context { return context.WithValue(ctx, timesKey{}, n) }

func (s statements) start(ctx context.Context) context.Context {
	times, said := ctx.Value(timesKey{}).(int)
	if !said {
		times = 1
	}
	if times == 0 {
		return ctx
	}
	return within(ctx, time.Duration(times)*s.timeout+grace)
}

func within(ctx context.Context, limit time.Duration) context.Context {
	ctx, end := context.WithTimeout(ctx, limit)
	return context.WithValue(ctx, endKey{}, end)
}

func end(ctx context.Context) {
	if end, ok := ctx.Value(endKey{}).(context.CancelFunc); ok {
		end()
	}
}

func (s statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return s.start(ctx)
}

func (statements) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) { end(ctx) }

func (s statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return s.start(ctx)
}

func (statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (statements) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { end(ctx) }

func (s statements) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool,
	_ pgxpool.TraceAcquireStartData) context.Context {
	return within(ctx, s.borrowing)
}

func (statements) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	end(ctx)
}
