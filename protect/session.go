package protect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Opener opens a connection to the database that is to be protected. [Apply] and
// [Undo] use one connection and close it.
type Opener func(ctx context.Context) (*pgx.Conn, error)

// ErrRunning is what a [*RunningError] is.
var ErrRunning = errors.New("another moat protect is running on this database")

// RunningError is returned when another apply or undo works on the same database.
type RunningError struct{ Holder Holder }

func (e *RunningError) Error() string { return ErrRunning.Error() + ": " + e.Holder.String() }
func (e *RunningError) Unwrap() error { return ErrRunning }

// lockKey is the advisory lock of apply and undo: "moat" in ASCII.
const lockKey = 0x6d6f6174

// session is a connection that holds the advisory lock. The work runs on the
// connection with the lock, so that the lock lasts as long as the last statement of
// a process that was killed.
type session struct {
	conn    *pgx.Conn
	opts    ApplyOptions
	open    Opener
	holders []Holder // who was in the way of the last wait
}

// openSession connects, sets what the work relies on and takes the lock.
func openSession(ctx context.Context, open Opener, opts ApplyOptions) (*session, error) {
	conn, err := open(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &session{conn: conn, opts: opts.withDefaults(), open: open}
	if err := s.prepare(ctx); err != nil {
		s.close()
		return nil, err
	}
	if err := s.lock(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepare fixes what the session's role or database may have set otherwise.
// row_security off turns rows that a policy would hide into an error. A server that
// notices at once that its client is gone gives up the lock soon after a crash.
func (s *session) prepare(ctx context.Context) error {
	settings := "SET search_path = pg_catalog, pg_temp; SET row_security = off; SET statement_timeout = 0; SET " +
		"idle_in_transaction_session_timeout = 0;" +
		"SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; SET DateStyle = " +
		"ISO; SET TimeZone = 'UTC';" +
		"SET citus.multi_shard_modify_mode = 'sequential';" + // see plan_citus.go; without Citus it is nobody's
		"SET check_function_bodies = on; SET standard_conforming_strings = on; SET lock_timeout = 0; SET " +
		"application_name = 'moat protect'"
	if _, err := s.conn.PgConn().Exec(ctx, settings).ReadAll(); err != nil {
		return fmt.Errorf("prepare session: %w", err)
	}
	// Not every platform has it.
	_, _ = s.conn.PgConn().Exec(ctx, "SET client_connection_check_interval = 1000").ReadAll()
	return nil
}

func (s *session) lock(ctx context.Context) error {
	deadline := time.Now().Add(s.opts.Wait)
	for {
		var got bool
		if err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(lockKey)).Scan(&got); err != nil {
			return fmt.Errorf("take advisory lock: %w", err)
		}
		if got {
			return nil
		}
		if !time.Now().Before(deadline) {
			if err := Running(ctx, s.conn); err != nil {
				return err
			}
			return ErrRunning // by now it has ended
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// Running returns a [*RunningError] while an apply or undo works on the database, so that
// nobody plans for one that would be refused.
func Running(ctx context.Context, conn *pgx.Conn) error {
	holders, err := whoHolds(ctx, conn, "l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1 AND l.objsubid = 1 "+
		"AND l.granted AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())", lockKey)
	if err != nil || len(holders) == 0 {
		return err
	}
	return &RunningError{Holder: holders[0]}
}

// close gives up the lock and ends the connection. Ending it would do, but only once the
// server notices, and the next apply or undo would be refused until then. The context of
// the work may be cancelled by now.
func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = s.conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock_all()")
	_ = s.conn.Close(ctx)
}

// inTx runs fn in a transaction that gives up waiting for a lock early, so that
// nobody queues behind it for long, and tries again until patience ends.
func (s *session) inTx(ctx context.Context, waiting func(attempt int), fn func(tx pgx.Tx) error) error {
	deadline := time.Now().Add(s.opts.Patience)
	s.holders = nil
	for attempt := 1; ; attempt++ {
		err := s.watch(ctx, nil, func() error { return s.attempt(ctx, fn) })
		if !isBusy(err) || time.Now().After(deadline) {
			return s.busy(err)
		}
		if waiting != nil {
			waiting(attempt)
		}
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

func (s *session) attempt(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)",
			fmt.Sprintf("%dms", s.opts.LockTimeout.Milliseconds())); err != nil {
			return err
		}
		return fn(tx)
	})
}

// backoff grows from 50 ms to 3 s, so that the statements that queued up behind the
// last attempt get through.
func backoff(attempt int) time.Duration {
	d := 50 * time.Millisecond << min(attempt-1, 6)
	return min(d, 3*time.Second)
}

// isBusy reports whether a statement failed because others hold what it needs.
func isBusy(err error) bool { return hasCode(err, "55P03", "40P01", "40001") }

func hasCode(err error, codes ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, pg.Code)
}

// execute runs statements as text: DDL takes no parameters.
func execute(ctx context.Context, conn *pgx.Conn, statements []string) error {
	for _, q := range statements {
		if _, err := conn.PgConn().Exec(ctx, q).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
