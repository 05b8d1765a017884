package alive

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// idlers are a pool's idle connections. Where one does not answer in time, those that have been idle
// since before it was asked are not asked but closed: one after another, a pool of eight took 24 s
// until a request got a new connection.
type idlers struct {
	limit  time.Duration
	silent atomic.Int64 // when one was asked last that did not answer, in Unix nanoseconds
}

// asked is from when on an idle connection is asked, as pgx has it.
const asked = time.Second

// answers asks a connection that was idle for long, and reports whether the pool is to ask again: one that
// is lost is closed then, so that the pool notices at once.
func (i *idlers) answers(ctx context.Context, p pgxpool.ShouldPingParams) bool {
	now := time.Now()
	if now.Add(-p.IdleDuration).UnixNano() < i.silent.Load() {
		_ = p.Conn.PgConn().Conn().Close() // it is lost anyway
		return true
	}
	if p.IdleDuration <= asked {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, i.limit)
	defer cancel()
	if p.Conn.Ping(ctx) == nil {
		return false
	}
	if time.Since(now) >= i.limit {
		i.silent.Store(now.UnixNano())
	}
	return true
}
