package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/list"
)

// MinVersion is the oldest server that [Load] reads: PostgreSQL 13. The project
// supports 14 and later; 13 is read as well as it goes.
const MinVersion = 130000

// Load begins again when an object was dropped under it or a lock was not to be had,
// after a pause that grows: some ten seconds in all.
const (
	loadTries    = 12
	firstPause   = 10 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// ErrOldServer is returned by [Load] for a server older than [MinVersion].
var ErrOldServer = errors.New("server is older than PostgreSQL 13")

// Load reads the catalog of the connected database into a [Snapshot].
//
// It works in one read-only, repeatable-read transaction of two round trips, two more
// where Citus is installed, or, when conn is inside a transaction already, under a
// savepoint of that one. It takes no lock but ACCESS SHARE, on what views and indexes that it deparses are
// made of, until it has read all; it gives them up rather than wait so long that
// somebody's change of the schema could fail for a deadlock. It leaves no setting
// behind. The role needs no privilege: what it cannot see is listed in
// [Snapshot.Unseen].
//
// An object that is dropped while Load reads makes it begin again, and so does a
// lock that is not to be had, for some ten seconds in all. One that is altered
// meanwhile may be read in part as it was and in part as it is. Load does not read a
// row of any user's table.
func Load(ctx context.Context, conn *pgx.Conn) (*Snapshot, error) {
	skip := map[string]string{}
	pause := firstPause
	for try := 1; ; try++ {
		s, err := loadOnce(ctx, conn, skip)
		if err == nil {
			return s, nil
		}
		if try == loadTries || !tryAgain(err, skip) {
			return nil, fmt.Errorf("load catalog: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("load catalog: %w", ctx.Err())
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// readError says which query failed, so that one that the role may not run can
// be left out.
type readError struct {
	query    string
	optional bool
	err      error
}

func (e *readError) Error() string {
	return "read " + strings.ReplaceAll(e.query, "_", " ") + ": " + e.err.Error()
}
func (e *readError) Unwrap() error { return e.err }

// tryAgain reports whether loading can succeed if begun again, and notes in skip the
// query that the role is not allowed to run.
func tryAgain(err error, skip map[string]string) bool {
	if errors.Is(err, errGone) {
		return true
	}
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	switch pgErr.Code {
	case "XX000", "42P01", "42704", "42703", "42883":
		// The deparsing functions look at the newest catalog, not at ours: an object
		// dropped by someone else is "cache lookup failed" to them.
		return true
	case "55P03", "40P01":
		// Locks: see loadSettings.
		return true
	case "42501":
		var failed *readError
		if !errors.As(err, &failed) || !failed.optional {
			return false
		}
		skip[failed.query] = pgErr.Message
		return true
	}
	return false
}

// loadSettings are those of the transaction. search_path decides which names the server
// prints qualified; pg_temp is named last, or a temporary table could stand in for one
// of the catalog's.
//
// Deparsing a view locks what it reads until the end of the transaction, and a DROP of
// several objects can wait for that while it holds what Load comes to next. Whoever has
// waited for deadlock_timeout then fails, which would be the DROP: so Load waits for
// half as long at most, lets go of all, and begins again. The timeouts of a database are
// meant for its application's statements; the context ends a Load.
//
// The queries name their tables in the order in which they are read: to look for a better one
// costs a new session more than to read them.
const loadSettings = `
	SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
	SELECT pg_catalog.set_config('statement_timeout', '0', true),
		pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
		pg_catalog.set_config('join_collapse_limit', '4', true);
	SELECT pg_catalog.set_config('lock_timeout', half.ms || 'ms', true)
	  FROM (SELECT (EXTRACT(epoch FROM pg_catalog.current_setting('lock_timeout')::pg_catalog.interval)
	                * 1000)::pg_catalog.int4 AS ms) AS own,
	       (SELECT (EXTRACT(epoch FROM pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval)
	                * 500)::pg_catalog.int4 + 1 AS ms) AS half
	 WHERE own.ms = 0 OR own.ms > half.ms`

func loadOnce(ctx context.Context, conn *pgx.Conn, skip map[string]string) (s *Snapshot, err error) {
	begin, end := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "ROLLBACK"
	if conn.PgConn().TxStatus() != 'I' {
		begin, end = "SAVEPOINT moat_catalog", "ROLLBACK TO SAVEPOINT moat_catalog; RELEASE SAVEPOINT moat_catalog"
	}
	l := newLoader(skip)
	defer func() {
		if conn.IsClosed() {
			return
		}
		if _, endErr := conn.PgConn().Exec(context.WithoutCancel(ctx), end).ReadAll(); endErr != nil && err == nil {
			s, err = nil, fmt.Errorf("end transaction: %w", endErr)
		}
	}()
	if _, err = conn.PgConn().Exec(ctx, begin+";"+loadSettings).ReadAll(); err != nil {
		return nil, err
	}
	if err := l.server(ctx, conn); err != nil {
		return nil, err
	}
	if err := l.ask(ctx, conn, l.queries()); err != nil {
		return nil, err
	}
	if err := l.distribution(ctx, conn); err != nil {
		return nil, err
	}
	return l.finish(), nil
}

// server reads what must be known before the other queries can be written.
func (l *loader) server(ctx context.Context, conn *pgx.Conn) error {
	version, err := ServerVersion(conn)
	if err != nil {
		return err
	}
	if version < MinVersion {
		return ErrOldServer
	}
	l.version = version
	return l.ask(ctx, conn, []query{{name: "server", read: l.serverRow}, {name: "trees", read: l.readTrees}})
}

func (l *loader) serverRow(rows pgx.Rows) error {
	var acl []string
	s := l.snap
	_, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (bool, error) {
		return true, row.Scan(&s.Version, &s.Prerelease, &s.User, &s.Database.Name, &s.Database.Owner, &acl)
	})
	if err != nil {
		return err
	}
	s.Database.Privileges, err = parseACL(acl)
	return err
}

// ServerVersion returns the version as server_version_num counts it, from what the
// server said when the connection was made: "15.18 (Debian …)", "18beta1".
func ServerVersion(conn *pgx.Conn) (int, error) {
	text := conn.PgConn().ParameterStatus("server_version")
	var major, minor int
	if n, err := fmt.Sscanf(text, "%d.%d", &major, &minor); n == 0 {
		return 0, fmt.Errorf("server version %q: %w", text, err)
	}
	return major*10000 + minor, nil
}

// plain turns lists of OIDs into what a driver encodes by itself, where nobody has told it
// the type of a parameter: behind a pooler, with default_query_exec_mode=exec.
func plain(args []any) []any {
	out := slices.Clone(args)
	for i, arg := range out {
		if oids, ok := arg.([]OID); ok {
			numbers := list.Map(oids, func(oid OID) uint32 { return uint32(oid) })
			out[i] = numbers
		}
	}
	return out
}

// ask sends queries in one pipeline and takes the answers in order.
func (l *loader) ask(ctx context.Context, conn *pgx.Conn, queries []query) error {
	batch := &pgx.Batch{}
	var readErr error
	for _, q := range queries {
		if reason, skipped := l.skip[q.name]; skipped {
			l.unseen("", strings.ReplaceAll(q.name, "_", " ")+" could not be read: "+reason)
			continue
		}
		text, err := queryText(q.name, l.version)
		if err != nil {
			return err
		}
		batch.Queue(text, plain(q.args)...).Query(func(rows pgx.Rows) error {
			if err := q.read(rows); err != nil {
				// The rest of the pipeline fails too; the first failure is the reason.
				readErr = &readError{query: q.name, optional: q.optional, err: err}
				return readErr
			}
			return nil
		})
	}
	err := conn.SendBatch(ctx, batch).Close()
	if readErr != nil {
		return readErr
	}
	return err
}
