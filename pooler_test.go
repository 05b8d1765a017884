//go:build unix

package moat_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
)

// pgbouncer starts the real program in transaction mode over the fixture's server, with two
// connections, and returns the URL to it.
func pgbouncer(t *testing.T, f *fixture) string {
	t.Helper()
	b, err := postgres.StartBouncer(t.Context(), f.App, postgres.BouncerOptions{Mode: "transaction"})
	must(t, err)
	t.Cleanup(b.Stop)
	return b.URL
}

// Through a pooler that gives each transaction another server process, every statement
// sees its own tenant, and the parameters of the connection hold.
func TestPooler(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	url := pgbouncer(t, f)
	db, err := moat.Open(t.Context(), url+"?search_path=app", &moat.Options{MaxConns: 8, StatementTimeout: time.Second})
	must(t, err)
	defer db.Close()
	var foreign, done atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			own := []moat.Tenant{tenantA, tenantB}[g%2]
			for range 100 {
				var seen string
				err := db.QueryRow(as(own), "select current_setting('app.current_tenant') where $1 > 0", 1).Scan(&seen)
				if err != nil {
					t.Error(err)
					return
				}
				if seen != string(own) {
					foreign.Add(1)
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if foreign.Load() != 0 || done.Load() != 800 {
		t.Errorf("%d foreign of %d", foreign.Load(), done.Load())
	}
	var timeout, path string
	must(t, db.QueryRow(as(tenantA), "select current_setting('statement_timeout'), current_setting('search_path')").
		Scan(&timeout, &path))
	if timeout != "1s" || path != "app" {
		t.Errorf("statement_timeout %s, search_path %s", timeout, path)
	}
	if _, err := db.Exec(as(tenantA), "select pg_sleep(5)"); err == nil || !strings.Contains(err.Error(), "57014") {
		t.Errorf("a statement beyond its time: %v", err)
	}
	conn, err := moat.Connect(t.Context(), url)
	must(t, err)
	must(t, conn.Close(t.Context()))
	_, err = moat.Open(t.Context(), url, &moat.Options{Sealer: boundSealer{}})
	if !errors.Is(err, moat.ErrPoolerHidesProcess) {
		t.Errorf("signatures for one process: %v", err)
	}
}

// boundSealer signs for one server process.
type boundSealer struct{ moat.Sealer }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
