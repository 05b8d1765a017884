package moatsql_test

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// Two idle connections, many clients, two tenants, cancelled and failing statements:
// what a session setting leaks here is a quarter of all reads.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	leak(t, newFixture(t), moat.Options{}, pgtest.Rounds(t, "MOAT_TEST_LEAK", 20_000, 1_000))
}

func TestNothingLeaksParanoid(t *testing.T) {
	t.Parallel()
	leak(t, newFixture(t), moat.Options{Paranoid: true}, pgtest.Rounds(t, "MOAT_TEST_LEAK", 5_000, 600))
}

func TestNothingLeaksSealed(t *testing.T) {
	t.Parallel()
	for name, paranoid := range map[string]bool{"sealed": false, "sealed, Paranoid": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			leak(t, f, moat.Options{Sealer: f.seal(t), Paranoid: paranoid}, pgtest.Rounds(t, "MOAT_TEST_LEAK", 5_000, 600))
		})
	}
}

// seal makes the database take signed tenants only.
func (f *fixture) seal(t testing.TB) moat.Sealer {
	t.Helper()
	conn := f.Conn(t, f.URL)
	key := seal.NewKey()
	for _, step := range []func() error{
		func() error {
			return seal.Install(t.Context(), conn, seal.InstallOptions{Applications: []string{f.role}})
		},
		func() error { return seal.AddKey(t.Context(), conn, key, seal.KeyOptions{}) },
		func() error { _, err := seal.Switch(t.Context(), conn, seal.Sealed, nil); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func leak(t *testing.T, f *fixture, o moat.Options, operations int) {
	t.Helper()
	o.MaxConns = 2
	db := f.open(t, o)
	db.SetMaxOpenConns(2)
	db.SetMaxIdleConns(2)
	var clients sync.WaitGroup
	var reads, foreign atomic.Int64
	for client := range 8 {
		clients.Go(func() {
			for i := range operations / 8 {
				tenant, own := tenantA, byte('a')
				if (i+client)%2 == 0 {
					tenant, own = tenantB, 'b'
				}
				for _, name := range operation(as(tenant), db, i) {
					reads.Add(1)
					if name[0] != own {
						foreign.Add(1)
					}
				}
			}
		})
	}
	clients.Wait()
	if foreign.Load() > 0 || reads.Load() < int64(operations)/4 {
		t.Errorf("%d foreign rows of %d", foreign.Load(), reads.Load())
	}
	t.Logf("%d operations, %d rows, %d foreign", operations, reads.Load(), foreign.Load())
}

// operation does one of the things that programs do, and returns the names it read.
func operation(ctx context.Context, db *sql.DB, i int) []string {
	switch i % 8 {
	case 0:
		return read(db.QueryContext(ctx, "select name from leads"))
	case 1: // gives up in between
		ctx, cancel := context.WithCancel(ctx)
		rows, err := db.QueryContext(ctx, "select name from leads, generate_series(1, 300)")
		cancel()
		return read(rows, err)
	case 2:
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil
		}
		defer tx.Rollback()
		_, _ = tx.Exec("update leads set name = name")
		return read(tx.Query("select name from leads"))
	case 3: // fails
		_, _ = db.ExecContext(ctx, "select 1 / 0 from leads")
		return nil
	case 4:
		stmt, err := db.PrepareContext(ctx, "select name from leads where id = $1")
		if err != nil {
			return nil
		}
		defer stmt.Close()
		return read(stmt.QueryContext(ctx, 1))
	case 6: // a text of its own, not prepared
		return read(db.QueryContext(ctx, "select name from leads where id < "+strconv.Itoa(2+i)))
	case 5: // an injected change of the tenant, for the session
		_, _ = db.ExecContext(ctx, "select set_config('app.current_tenant', $1, false)", string(tenantB))
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return read(conn.QueryContext(ctx, "update leads set name = name returning name"))
}

func read(rows *sql.Rows, err error) []string {
	if err != nil {
		return nil
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if rows.Scan(&name) == nil {
			out = append(out, name)
		}
	}
	return out
}
