//go:build unix

package moat_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// A server whose processes stand still acknowledges what it is sent, and ends no statement by a
// timeout: whoever waits is told soon. One that is slow keeps its connections.
func TestFrozenServerIsNoticed(t *testing.T) {
	pgtest.Full(t)
	t.Parallel()
	server, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	admin, err := pgx.Connect(t.Context(), server.URL("postgres", postgres.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	if _, err := admin.Exec(t.Context(), "create role app login"); err != nil {
		t.Fatal(err)
	}
	db, err := moat.Open(t.Context(), server.URL("postgres", "app"), &moat.Options{MaxConns: 2,
		ConfigurePool: func(c *pgxpool.Config) { c.MaxConns = 2 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := db.Exec(as(tenantA), "select pg_sleep(12)"); err != nil {
		t.Fatalf("slow: %v", err)
	}
	thaw := freeze(t, admin)
	began := time.Now()
	ctx, cancel := context.WithTimeout(as(tenantA), 20*time.Second)
	defer cancel()
	_, err = db.Exec(ctx, "select 1")
	if took := time.Since(began); err == nil || took > 14*time.Second {
		t.Errorf("a frozen server: %v after %v", err, took)
	}
	thaw()
	if _, err := db.Exec(as(tenantA), "select 1"); err != nil {
		t.Errorf("thawed: %v", err)
	}
}

// freeze stops the processes of the connection's server until the returned function is called.
func freeze(t *testing.T, admin *pgx.Conn) (thaw func()) {
	t.Helper()
	rows, _ := admin.Query(t.Context(), "select pid from pg_stat_activity where pid <> pg_backend_pid() union all "+
		"select split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int")
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	send := func(s syscall.Signal) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, s); err != nil {
				t.Error(err)
			}
		}
	}
	send(syscall.SIGSTOP)
	thaw = func() { send(syscall.SIGCONT); pids = nil }
	t.Cleanup(thaw)
	return thaw
}
