package api

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Statements are prepared once a connection, and the server keeps the plan of each. Who asks
// for ever other wide shapes would fill the memory of its processes, so that a connection
// forgets all of its statements when they are estimated to take too much.
//
// It does so when it is borrowed next: what is done on release, a pool does in a goroutine of
// its own, for each request.

// maxPrepared is how many bytes the statements of one connection may take in the server.
const maxPrepared = 16 << 20

// preparedBytes estimates what the server keeps of a statement: tree, query and plan, of
// which the text is a measure, and what policies add for each table that is read.
// TestPreparedEstimate holds it to what PostgreSQL says.
func preparedBytes(sql string) int {
	return 20<<10 + 64*len(sql) + 18<<10*(strings.Count(sql, "FROM ")-1)
}

// boundPrepared has the connections of a pool forget their statements in time.
func boundPrepared(c *pgxpool.Config) {
	trace(c, preparedTracer{})
	before := c.PrepareConn
	c.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		if !forget(ctx, conn) {
			return false, nil
		}
		if before != nil {
			return before(ctx, conn)
		}
		return true, nil
	}
}

// prepared are the statements of a connection, since it forgot them last.
type prepared struct {
	known map[string]struct{}
	bytes int
}

const preparedKey = "moat.prepared"

// preparedTracer counts what each connection has been asked.
type preparedTracer struct{}

func (preparedTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (preparedTracer) TraceBatchQuery(_ context.Context, conn *pgx.Conn, q pgx.TraceBatchQueryData) {
	count(conn, q.SQL)
}

func (preparedTracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (preparedTracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	count(conn, q.SQL)
	return ctx
}

func (preparedTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func count(conn *pgx.Conn, sql string) {
	data := conn.PgConn().CustomData()
	p, _ := data[preparedKey].(*prepared)
	if p == nil {
		p = &prepared{known: map[string]struct{}{}}
		data[preparedKey] = p
	}
	if _, known := p.known[sql]; !known {
		p.known[sql] = struct{}{}
		p.bytes += preparedBytes(sql)
	}
}

// forget drops the statements of a connection that have become too much, and reports whether
// it is of use still.
func forget(ctx context.Context, conn *pgx.Conn) bool {
	p, _ := conn.PgConn().CustomData()[preparedKey].(*prepared)
	if p == nil || p.bytes <= maxPrepared {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	*p = prepared{known: map[string]struct{}{}}
	return conn.DeallocateAll(ctx) == nil
}
