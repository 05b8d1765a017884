package protect

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

// Holder is who holds a lock: a session, or a prepared transaction, which has none. What
// it ran is not told: a statement may hold values.
type Holder struct {
	PID         int32  `json:"pid,omitempty"`
	Prepared    string `json:"prepared,omitempty"` // the transaction's identifier
	Role        string `json:"role,omitempty"`
	Application string `json:"application,omitempty"`
	Address     string `json:"address,omitempty"`
	State       string `json:"state,omitempty"`
	Seconds     int64  `json:"seconds"` // since its transaction, or it, began
}

func (h Holder) String() string {
	since := (time.Duration(h.Seconds) * time.Second).String()
	if h.Prepared != "" {
		return fmt.Sprintf("prepared transaction %q of %s, for %s (COMMIT PREPARED or ROLLBACK PREPARED ends it)", h.Prepared,
			h.Role, since)
	}
	text := fmt.Sprintf("process %d", h.PID)
	for _, part := range []struct{ word, value string }{{"role ", h.Role}, {"application ", h.Application},
		{"from ", h.Address}, {"", h.State}} {
		if part.value != "" {
			text += ", " + part.word + part.value
		}
	}
	return text + ", for " + since
}

// holdersText names several.
func holdersText(all []Holder) string {
	return list.Join(all, "; ", Holder.String)
}

// whoHolds lists those whose locks fit a condition on pg_locks l. Of other roles a plain
// role sees no more than the process.
func whoHolds(ctx context.Context, conn *pgx.Conn, where string, args ...any) ([]Holder, error) {
	rows, err := conn.Query(ctx, `
SELECT DISTINCT coalesce(l.pid, 0), coalesce(x.gid, ''), coalesce(a.usename, x.owner, ''),
    coalesce(a.application_name, ''), coalesce(pg_catalog.host(a.client_addr), ''), coalesce(a.state, ''),
    coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.backend_start, x.prepared)),
      0)::bigint
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_locks own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
    AND own.granted AND own.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = own.transactionid
 WHERE (l.pid IS NULL OR l.pid <> pg_catalog.pg_backend_pid()) AND `+where+` ORDER BY 1, 2`, args...)
	if err != nil {
		return nil, fmt.Errorf("ask who holds a lock: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Holder])
}

// inTheWay asks, over a connection of its own, whom the process pid is waiting for. A
// prepared transaction counts as process 0 in pg_blocking_pids, so it is found by what it
// locks.
func inTheWay(ctx context.Context, conn *pgx.Conn, pid uint32) ([]Holder, error) {
	return whoHolds(ctx, conn, `l.granted AND (
    l.pid IN (SELECT unnest(pg_catalog.pg_blocking_pids($1)))
    OR l.pid IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_locks w WHERE w.pid = $1 AND NOT w.granted
      AND (w.locktype, w.database, w.relation, w.transactionid) IS NOT DISTINCT FROM
          (l.locktype, l.database, l.relation, l.transactionid)))`, int32(pid))
}

// watch runs fn, and after a moment asks whom it is waiting for: said is called with them,
// and they are kept for the error.
func (s *session) watch(ctx context.Context, said func(), fn func() error) error {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.lookOut(ctx, said)
	}()
	err := fn()
	stop()
	<-ended
	return err
}

// lookOut asks when half of the time for a lock is over, and then every two seconds.
func (s *session) lookOut(ctx context.Context, said func()) {
	if sleep(ctx, s.opts.LockTimeout/2) != nil {
		return
	}
	conn, err := s.open(ctx)
	if err != nil {
		return // nobody is named: the work goes on
	}
	defer func() {
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(done)
	}()
	for {
		if found, err := inTheWay(ctx, conn, s.conn.PgConn().PID()); err == nil && len(found) > 0 {
			s.holders = found
			if said != nil {
				said()
			}
		}
		if sleep(ctx, 2*time.Second) != nil {
			return
		}
	}
}

// BusyError is a lock that did not come free in time, with those who held it.
type BusyError struct {
	Holders []Holder
	Err     error
}

func (e *BusyError) Error() string { return e.Err.Error() + ": held by " + holdersText(e.Holders) }
func (e *BusyError) Unwrap() error { return e.Err }

func (s *session) busy(err error) error {
	if len(s.holders) == 0 || !isBusy(err) {
		return err
	}
	return &BusyError{s.holders, err}
}
