package seal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// load is what 100 clients saw.
type load struct {
	requests, retried, failed, foreign atomic.Int64
	firstError                         atomic.Pointer[error]
}

// TestRotateAndSwitchUnderLoad rotates the key and switches between the modes, again
// and again, while 100 clients read and write: no request fails beyond one retry, and
// none sees another tenant's row.
func TestRotateAndSwitchUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.Shared(t))
	file := filepath.Join(t.TempDir(), "seal.key")
	must(t, seal.WriteKeys(file, f.Key))
	sealer, err := seal.Open(file, nil)
	must(t, err)
	db := f.open(t, 20, moat.Options{Sealer: sealer})

	window := 10 * time.Second
	if testing.Short() {
		window = 3 * time.Second
	}
	var seen load
	ctx, stop := context.WithTimeout(t.Context(), window)
	defer stop()
	var clients sync.WaitGroup
	for i := range 100 {
		clients.Go(func() { seen.client(ctx, db, i) })
	}
	switches, rotations := f.churn(ctx, t, file)
	clients.Wait()
	t.Logf("%d requests, %d retried, %d switches, %d rotations", seen.requests.Load(), seen.retried.Load(), switches, rotations)
	if seen.failed.Load() > 0 || seen.foreign.Load() > 0 {
		err := errors.New("none")
		if first := seen.firstError.Load(); first != nil {
			err = *first
		}
		t.Errorf("%d failed, %d foreign rows; first error: %v", seen.failed.Load(), seen.foreign.Load(), err)
	}
	if switches < 2 || rotations < 1 || seen.requests.Load() < 200 {
		t.Error("too little happened to show anything")
	}
}

// churn switches and rotates until ctx ends, and ends in plain mode.
func (f *fixture) churn(ctx context.Context, t *testing.T, file string) (switches, rotations int) {
	t.Helper()
	admin := f.Conn(t, f.URL)
	for mode := seal.Sealed; ctx.Err() == nil; {
		_, err := seal.Switch(context.WithoutCancel(ctx), admin, mode, nil)
		must(t, err)
		switches++
		mode = map[seal.Mode]seal.Mode{seal.Plain: seal.Sealed, seal.Sealed: seal.Plain}[mode]
		if switches%2 == 1 {
			f.rotate(t, admin, file)
			rotations++
		}
		pause(ctx, 300*time.Millisecond)
	}
	return switches, rotations
}

// rotate is what an operator does, with the grace that clients need to see the file.
func (f *fixture) rotate(t *testing.T, admin *pgx.Conn, file string) {
	t.Helper()
	k := seal.NewKey()
	must(t, seal.AddKey(t.Context(), admin, k, seal.KeyOptions{}))
	must(t, seal.WriteKeys(file, k))
	_, err := seal.RetireOthers(t.Context(), admin, k.ID(), time.Now().Add(3*time.Second))
	must(t, err)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (l *load) client(ctx context.Context, db *moat.DB, i int) {
	tenant, marker := tenantA, "a-"
	if i%2 == 1 {
		tenant, marker = tenantB, secretB
	}
	for n := 0; ctx.Err() == nil; n++ {
		l.requests.Add(1)
		err := l.request(db, as(tenant), marker, i, n)
		if err != nil {
			l.retried.Add(1)
			err = l.request(db, as(tenant), marker, i, n)
		}
		if err != nil {
			l.failed.Add(1)
			l.firstError.CompareAndSwap(nil, &err)
		}
	}
}

// request reads in one statement or in a transaction, or writes.
func (l *load) request(db *moat.DB, ctx context.Context, marker string, client, n int) error {
	switch n % 3 {
	case 0:
		rows, err := db.Query(ctx, "select name from app.leads where id <= $1", 20)
		if err != nil {
			return err
		}
		return l.judge(rows, marker)
	case 1:
		tag, err := db.Exec(ctx, "update app.leads set name = name where id = $1", client%20+1)
		return one(tag, err)
	default:
		return db.InTx(ctx, func(tx pgx.Tx) error {
			for range 2 { // the switch may come between them
				rows, err := tx.Query(ctx, "select body from app.notes where lead_id <= $1", 20)
				if err != nil {
					return err
				}
				if err := l.judge(rows, "note of "+marker); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func one(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows written, want 1", tag.RowsAffected())
	}
	return err
}

func (l *load) judge(rows pgx.Rows, marker string) error {
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if name[:len(marker)] != marker {
			l.foreign.Add(1)
		}
	}
	if len(names) != 20 {
		return fmt.Errorf("%d rows, want 20", len(names))
	}
	return nil
}
