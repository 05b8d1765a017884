package seal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
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

// clients read and write at the same time, through a pool of fewer connections.
const clients = 100

// load is what the clients saw. How long it takes is up to the machine: everything waits
// for what has happened, not for the time.
type load struct {
	failed, foreign atomic.Int64
	firstError      atomic.Pointer[error]
	done            [clients]atomic.Int64 // requests, by client
}

// TestRotateAndSwitchUnderLoad rotates the key and switches between the modes, again
// and again, while 100 clients read and write: no request fails beyond one retry, and
// none sees another tenant's row.
func TestRotateAndSwitchUnderLoad(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSwitchThereAndBack
	f := newFixture(t, pgtest.Shared(t))
	file := filepath.Join(t.TempDir(), "seal.key")
	must(t, seal.WriteKeys(file, f.Key))
	sealer, err := seal.Open(file, nil)
	must(t, err)
	db := f.open(t, 20, moat.Options{Sealer: sealer})

	switches := pgtest.Rounds(t, "MOAT_TEST_SWITCHES", 8, 2)
	var seen load
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() { seen.client(ctx, db, i) })
	}
	admin := f.Conn(t, f.URL)
	for n := range switches {
		mode := []seal.Mode{seal.Sealed, seal.Plain}[n%2]
		_, err := seal.Switch(t.Context(), admin, mode, nil)
		must(t, err)
		seen.round(t)
		if mode == seal.Sealed {
			rotate(t, admin, file, sealer, &seen)
		}
	}
	stop()
	running.Wait()
	if seen.failed.Load() > 0 || seen.foreign.Load() > 0 {
		err := errors.New("none")
		if first := seen.firstError.Load(); first != nil {
			err = *first
		}
		t.Errorf("%d failed, %d foreign rows; first error: %v", seen.failed.Load(), seen.foreign.Load(), err)
	}
}

// round waits until each client has ended what it is at, and one request begun after.
func (l *load) round(t *testing.T) {
	t.Helper()
	var goal [clients]int64
	for i := range l.done {
		goal[i] = l.done[i].Load() + 2
	}
	for i := range l.done {
		for l.done[i].Load() < goal[i] {
			time.Sleep(time.Millisecond)
		}
	}
}

// rotate is what an operator does: the old key goes when no client signs with it.
func rotate(t *testing.T, admin *pgx.Conn, file string, sealer *seal.Sealer, seen *load) {
	t.Helper()
	k := seal.NewKey()
	must(t, seal.AddKey(t.Context(), admin, k, seal.KeyOptions{}))
	must(t, seal.WriteKeys(file, k))
	for signing := ""; signing != k.ID(); time.Sleep(time.Millisecond) {
		_, args, err := sealer.Bind(as(tenantA), tenantA, 0)
		must(t, err)
		signing = args[2].(string)
	}
	seen.round(t)
	retired, err := seal.RetireOthers(t.Context(), admin, k.ID(), time.Now())
	must(t, err)
	if len(retired) != 1 {
		t.Errorf("%d keys retired, want the one before", len(retired))
	}
	seen.round(t)
}

func (l *load) client(ctx context.Context, db *moat.DB, i int) {
	tenant, marker := tenantA, "a-"
	if i%2 == 1 {
		tenant, marker = tenantB, secretB
	}
	for n := 0; ctx.Err() == nil; n++ {
		err := l.request(db, as(tenant), marker, i, n)
		if err != nil {
			err = l.request(db, as(tenant), marker, i, n)
		}
		if err != nil {
			l.failed.Add(1)
			l.firstError.CompareAndSwap(nil, &err)
		}
		l.done[i].Add(1)
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

// A link says nothing of who may read a key, and a directory that all may write to lets
// anybody put another key in its place.
func TestKeyBehindALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		dir, file os.FileMode
		ok        bool
	}{
		"private": {0o700, 0o600, true}, "readable by all": {0o700, 0o644, false},
		"replaceable by all": {0o777, 0o600, false},
		"sticky":             {0o777 | os.ModeSticky, 0o600, true},
	} {
		kept := filepath.Join(dir, name)
		must(t, os.Mkdir(kept, 0o700))
		must(t, seal.WriteKeys(filepath.Join(kept, "key"), seal.NewKey()))
		must(t, os.Chmod(filepath.Join(kept, "key"), tt.file))
		must(t, os.Chmod(kept, tt.dir))
		link := filepath.Join(dir, name+".link")
		must(t, os.Symlink(filepath.Join(kept, "key"), link))
		if _, err := seal.LoadKeys(link); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if !tt.ok {
			continue
		}
		must(t, seal.WriteKeys(link, seal.NewKey()))
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s: the link was replaced: %v", name, err)
		}
	}
}
