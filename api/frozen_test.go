//go:build unix

package api_test

import (
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// freeze stops processes of a server until the test ends. The system goes on acknowledging what
// they are sent.
func freeze(t *testing.T, db *pgtest.Database, pids string, args ...any) {
	t.Helper()
	rows, _ := db.Conn(t, db.URL).Query(t.Context(), pids, args...)
	all, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	for _, pid := range all {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	}
}

// A process of the server that stands still keeps no statement timeout: a request ends soon after
// it, and so does the connection, while the server itself gives signs of life.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: internal/alive's TestFrozenServer
	db := pgtest.NewCluster(t, postgres.Options{}).New(t)
	loadSchema(t, db)
	s := serveURL(t, db, db.As(t, db.Roles["app"]), 300*time.Millisecond)
	if r := s.do(t, call{path: "labels?select=name"}); r.Status != http.StatusOK {
		t.Fatal(r)
	}
	freeze(t, db, "SELECT pid FROM pg_stat_activity WHERE usename = $1", db.Roles["app"])
	began := time.Now()
	r := s.do(t, call{path: "labels?select=name"})
	if took := time.Since(began); r.Status != http.StatusServiceUnavailable || took > 15*time.Second {
		t.Errorf("%d after %v: %s", r.Status, took, r.Body)
	}
	if r := s.do(t, call{path: "labels?select=name"}); r.Status != http.StatusOK {
		t.Errorf("over a connection that is not frozen: %d %s", r.Status, r.Body)
	}
}

// While a whole server stands still, no request waits for each of the pool's connections in turn.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: internal/alive's TestFrozenServer
	db := pgtest.NewCluster(t, postgres.Options{}).New(t)
	loadSchema(t, db)
	db.Exec(t, "CREATE FUNCTION app.nap() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(0.2)'")
	s := serveURL(t, db, db.As(t, db.Roles["app"]), 300*time.Millisecond)
	var naps sync.WaitGroup
	for range 3 { // each needs a connection
		naps.Go(func() {
			if r := s.do(t, call{path: "rpc/nap"}); r.Status != http.StatusOK {
				t.Error(r)
			}
		})
	}
	naps.Wait()
	time.Sleep(1100 * time.Millisecond) // the pool asks no connection that was used within a second
	freeze(t, db, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() UNION ALL "+
		"SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int")
	for range 2 {
		began := time.Now()
		r := s.do(t, call{path: "labels?select=name"})
		if took := time.Since(began); r.Status != http.StatusServiceUnavailable || took > 9*time.Second {
			t.Errorf("%d after %v: %s", r.Status, took, r.Body)
		}
	}
}

// A list and its count may each take the statement timeout.
func TestSlowStatementsAreAwaited(t *testing.T) {
	t.Parallel()
	pgtest.Full(t)
	s := serve(t, nil)
	s.db.Exec(t, "CREATE POLICY slow ON app.labels AS RESTRICTIVE USING ((SELECT pg_sleep(2.7)::text) IS NOT NULL)")
	if r := s.do(t, call{path: "labels?select=name", header: []string{"Prefer: count=exact"}}); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
