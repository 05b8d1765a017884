//go:build unix

package moat_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// Through a pooler that gives each transaction another server process, every statement
// sees its own tenant, and the parameters of the connection hold.
func TestPooler(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestNoLeakOverOneConnection
	f := newLeads(t)
	url := pgtest.Pooler(t, f.App)
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

// throughPooler is a leak test through the real program, whose two connections serve all.
func throughPooler(t *testing.T, sealed bool) (*leakTest, *fixture) {
	t.Helper()
	f := newFixture(t, moat.UUID)
	l := &leakTest{acked: map[string]bool{}}
	l.seed(t, f)
	o := &moat.Options{MaxConns: 8}
	if sealed {
		o.Sealer = sealForAny(t, f)
	}
	url := pgtest.Pooler(t, f.App)
	var err error
	l.db, err = moat.Open(t.Context(), url, o)
	must(t, err)
	t.Cleanup(l.db.Close)
	l.pool, err = pgxpool.New(context.Background(), url+"?default_query_exec_mode=exec&pool_max_conns=4")
	must(t, err)
	t.Cleanup(l.pool.Close)
	return l, f
}

// sealForAny seals a database, and signs for any connection.
func sealForAny(t *testing.T, f *fixture) moat.Sealer {
	t.Helper()
	admin, key := f.Conn(t, f.URL), seal.NewKey()
	must(t, seal.Install(t.Context(), admin, seal.InstallOptions{Owner: f.Database.Role(t, "sealer", "NOLOGIN"),
		Applications: []string{f.Role}}))
	must(t, seal.AddKey(t.Context(), admin, key, seal.KeyOptions{AnyBackend: true}))
	_, err := seal.Switch(t.Context(), admin, seal.Sealed, nil)
	must(t, err)
	sealer, err := seal.New(key.Signer(), &seal.Options{AnyBackend: true})
	must(t, err)
	return sealer
}

func TestNoLeakThroughPooler(t *testing.T) {
	t.Parallel()
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations := pgtest.Rounds(t, "MOAT_TEST_LEAK", 10_000, 1_500)
			l, f := throughPooler(t, sealed)
			l.run(operations)
			l.judge(t, f, operations)
		})
	}
}
