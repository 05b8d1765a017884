package moat_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
)

// pair is a plain pool and a DB over the same database, one connection each.
type pair struct {
	plain *pgxpool.Pool
	moat  *moat.DB
	ctx   context.Context // carries A's scope, as a request's does
}

const pointQuery = "select name from leads where tenant_id = $1 and id = $2"

func newPair(t testing.TB, o moat.Options) pair {
	f := newLeads(t)
	admin, err := pgxpool.New(context.Background(), f.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return pair{plain: admin, moat: f.open(t, 1, o), ctx: as(tenantA)}
}

func (p pair) runPlain() error {
	var name string
	return p.plain.QueryRow(context.Background(), pointQuery, string(tenantA), 1).Scan(&name)
}

func (p pair) runMoat() error {
	var name string
	return p.moat.QueryRow(p.ctx, pointQuery, string(tenantA), 1).Scan(&name)
}

func BenchmarkPoint(b *testing.B) {
	p := newPair(b, moat.Options{})
	for name, run := range map[string]func() error{"plain": p.runPlain, "moat": p.runMoat} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations bounds what a scoped statement allocates in addition to what pgx does. It
// does not run in parallel: the counter is the whole process's.
func TestAllocations(t *testing.T) {
	p := newPair(t, moat.Options{})
	measure := func(run func() error) float64 {
		return testing.AllocsPerRun(200, func() {
			if err := run(); err != nil && err != pgx.ErrNoRows {
				t.Fatal(err)
			}
		})
	}
	plain, scoped := measure(p.runPlain), measure(p.runMoat)
	t.Logf("%.0f allocations plain, %.0f scoped", plain, scoped)
	if scoped-plain > 30 {
		t.Errorf("%.0f allocations more than pgx alone, want at most 30", scoped-plain)
	}
}
