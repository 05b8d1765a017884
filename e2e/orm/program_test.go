package orm_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// step is one thing that a program does. What it returns is compared.
type step struct {
	name string
	do   func(ctx context.Context) (any, error)
}

// program is what one library's test does. A run of its steps leaves the rows as they were.
type program struct {
	steps func(c client) []step
	// unscoped are entries that a statement can take; each is to be refused without a tenant.
	unscoped map[string]func(ctx context.Context) error
	// crossed goes on in a transaction of one context with the other.
	crossed func(own, other context.Context) error
}

// check runs a program that open makes over a database.
func check(t *testing.T, open func(t testing.TB, db *sql.DB) program) {
	t.Run("two tenants at once read and write as each alone", func(t *testing.T) { t.Parallel(); testTogether(t, open) })
	t.Run("no more round trips than by plain database/sql", func(t *testing.T) { t.Parallel(); testTrips(t, open) })
	t.Run("no tenant or another one is refused", func(t *testing.T) { t.Parallel(); testRefused(t, open) })
}

const rounds = 5

func testTogether(t *testing.T, open func(testing.TB, *sql.DB) program) {
	_, app := newDatabase(t, clients...)
	shared := open(t, openMoat(t, app, nil))
	got := make([][]string, len(clients))
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() {
			for range rounds {
				got[i] = append(got[i], run(c.context(), shared.steps(c), nil)...)
			}
		})
	}
	running.Wait()
	for i, c := range clients {
		alone := open(t, openAlone(t, c, nil))
		var want []string
		for range rounds {
			want = append(want, run(c.context(), alone.steps(c), nil)...)
		}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("%s beside another tenant (+) and alone (-):\n%s", c.mark, diff)
		}
		all, other := strings.Join(got[i], "\n"), clients[1-i].mark
		if strings.Contains(all, other) || !strings.Contains(all, c.mark) {
			t.Errorf("%s read rows of %s, or none of its own:\n%s", c.mark, other, all)
		}
	}
}

// run is what the steps returned, an error among it as its text.
func run(ctx context.Context, steps []step, after func(step, error)) []string {
	var out []string
	for _, s := range steps {
		v, err := s.do(ctx)
		text, jsonErr := json.Marshal(v)
		if err = errors.Join(err, jsonErr); err != nil {
			text = []byte("error: " + err.Error())
		}
		out = append(out, fmt.Sprintf("%s: %s", s.name, text))
		if after != nil {
			after(s, err)
		}
	}
	return out
}

func testTrips(t *testing.T, open func(testing.TB, *sql.DB) program) {
	c := clients[0]
	_, app := newDatabase(t, clients...)
	var trips, plainTrips pgtest.Trips
	got := countTrips(t, c, openMoat(t, app, counting(&trips)), open, &trips)
	want := countTrips(t, c, openAlone(t, c, counting(&plainTrips)), open, &plainTrips)
	total, plain := int64(0), int64(0)
	for step, n := range got {
		if n > want[step] || n == 0 {
			t.Errorf("%s takes %d round trips, %d without moat", step, n, want[step])
		}
		total, plain = total+n, plain+want[step]
	}
	t.Logf("%d steps, %d round trips, %d without moat", len(got), total, plain)
}

// counting counts what a program sends on a pool that pings nobody and is soon warm.
func counting(trips *pgtest.Trips) func(*pgxpool.Config) {
	return func(config *pgxpool.Config) {
		config.MaxConns = 2 // one to read rows from, one for a statement in between
		config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
		trips.Install(config)
	}
}

// countTrips are the round trips of each step once all statements are prepared: the fewest
// of some rounds, since two statements at once may find a connection that has prepared
// neither. After an error pgx prepares anew what was sent with it, the binding among it: one more for the
// next statement, which belongs to no step.
func countTrips(t *testing.T, c client, db *sql.DB, open func(testing.TB, *sql.DB) program,
	trips *pgtest.Trips) map[string]int64 {
	p := open(t, db)
	for range 6 {
		run(c.context(), p.steps(c), nil)
	}
	counted := map[string]int64{}
	for range 3 {
		trips.Reset()
		run(c.context(), p.steps(c), func(s step, err error) {
			if n, before := counted[s.name]; !before || trips.Count() < n {
				counted[s.name] = trips.Count()
			}
			if err != nil {
				_ = db.QueryRowContext(c.context(), "select $1::int", 1).Scan(new(int))
			}
			trips.Reset()
		})
	}
	return counted
}

func testRefused(t *testing.T, open func(testing.TB, *sql.DB) program) {
	_, app := newDatabase(t, clients...)
	var trips pgtest.Trips
	p := open(t, openMoat(t, app, trips.Install))
	trips.Reset()
	for name, do := range p.unscoped {
		if err := do(context.Background()); !errors.Is(err, moat.ErrNoTenant) {
			t.Errorf("%s without a tenant: %v", name, err)
		}
	}
	if n := trips.Count(); n != 0 || len(p.unscoped) < 2 {
		t.Errorf("%d entries without a tenant took %d round trips", len(p.unscoped), n)
	}
	if err := p.crossed(clients[0].context(), clients[1].context()); !errors.Is(err, moat.ErrTenantMismatch) {
		t.Errorf("another tenant in a transaction: %v", err)
	}
}
