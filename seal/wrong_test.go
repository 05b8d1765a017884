package seal_test

import (
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// A lost or wrong key shows no row and fails writes with an error that says why.
func TestWrongKeyShowsNothing(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newSealed(t, c)
		db := f.open(t, 1, moat.Options{Sealer: sealerOf(t, seal.NewKey(), nil)})
		refused(t, db)
		must(t, seal.DropKey(t.Context(), f.admin, f.Key.ID()))
		refused(t, f.openSealed(t, 1))
	})
}

// refused checks that reads and writes of A fail with SQLSTATE 28000.
func refused(t *testing.T, db *moat.DB) {
	t.Helper()
	var names []string
	rows, err := db.Query(as(tenantA), "select name from app.leads")
	for err == nil && rows.Next() {
		names = append(names, "row")
	}
	if err == nil {
		err = rows.Err()
	}
	if len(names) > 0 || !seal.Refused(err) {
		t.Errorf("read: %d rows, %v, want none and a refusal", len(names), err)
	}
	for _, write := range []string{
		"update app.leads set name = 'x'", "delete from app.leads", "insert into app.leads (id, name) values (99, 'x')",
	} {
		if _, err := db.Exec(as(tenantA), write); !seal.Refused(err) {
			t.Errorf("%s: %v, want a refusal", write, err)
		}
	}
}

// A connection that is not bound, or whose key is dropped in mid-transaction, sees
// nothing and cannot insert.
func TestUnboundSeesNothing(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	conn := f.Conn(t, f.App)
	var n int
	must(t, conn.QueryRow(t.Context(), "select count(*) from app.leads").Scan(&n))
	if n != 0 {
		t.Errorf("%d rows without a tenant", n)
	}
	if _, err := conn.Exec(t.Context(), "insert into app.leads (tenant_id, id, name) values ($1, 99, 'x')",
		string(tenantA)); err == nil {
		t.Error("an insert without a tenant went through")
	}

	sql, args, err := f.sealer(t, nil).Bind(t.Context(), tenantA, conn.PgConn().PID())
	must(t, err)
	tx, err := conn.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), sql, args...)
	must(t, err)
	must(t, seal.DropKey(t.Context(), f.admin, f.Key.ID()))
	must(t, tx.QueryRow(t.Context(), "select count(*) from app.leads").Scan(&n))
	if n != 0 {
		t.Errorf("%d rows after the key was dropped", n)
	}
	must(t, tx.Rollback(t.Context()))
}

func TestClocksApart(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	for _, skew := range []time.Duration{-20 * time.Second, 4 * time.Minute} {
		s := f.sealer(t, nil)
		seal.SetClock(s, func() time.Time { return time.Now().Add(skew) })
		if n := count(t, f.open(t, 1, moat.Options{Sealer: s}), as(tenantA), "select count(*) from app.leads"); n != 20 {
			t.Errorf("clock %s off: %d rows, want 20", skew, n)
		}
	}
	for _, skew := range []time.Duration{-time.Minute, 10 * time.Minute} {
		s := f.sealer(t, nil)
		seal.SetClock(s, func() time.Time { return time.Now().Add(skew) })
		refused(t, f.open(t, 1, moat.Options{Sealer: s}))
	}
}

// Behind a pooler that hides the server process a key may be allowed for any
// connection; then, and only then, tokens without one bind.
func TestAnyBackend(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	k := seal.NewKey()
	must(t, seal.AddKey(t.Context(), f.admin, k, seal.KeyOptions{AnyBackend: true}))
	db := f.open(t, 1, moat.Options{Sealer: sealerOf(t, k, &seal.Options{AnyBackend: true})})
	if n := count(t, db, as(tenantA), "select count(*) from app.leads"); n != 20 {
		t.Errorf("%d rows, want 20", n)
	}
	refused(t, f.open(t, 1, moat.Options{Sealer: sealerOf(t, k, nil)}))
	refused(t, f.open(t, 1, moat.Options{Sealer: f.sealer(t, &seal.Options{AnyBackend: true})}))
}
