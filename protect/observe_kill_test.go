package protect

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestObserveKilled kills observe's apply, enforce over it, and undo at random moments: the
// next run goes on, and in the end nothing is left.
func TestObserveKilled(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestUndoAfterKill
	rounds := pgtest.Rounds(t, "MOAT_TEST_KILLS", 2, 1)
	reference := newBench(t, larger+teamPolicies)
	before := reference.neutral(t)
	reference.cfg.Observe = true
	all := reference.plan(t).Steps
	first := 1
	for all[first-1].Group != GroupObserve {
		first++
	}
	random := rand.New(rand.NewPCG(14, uint64(rounds)))
	within := func(n int) (int, time.Duration) {
		return random.IntN(n), time.Duration(random.IntN(8_000)) * time.Microsecond
	}
	for i := range rounds {
		b := newBench(t, larger+teamPolicies)
		rows := rowsBefore(t, b)
		n, delay := within(7)
		killDoing(t, b, "observe", first+n, delay)
		t.Logf("round %d: killed %v into step %d of observe", i, delay, first+n)
		b.cfg.Observe = true
		b.apply(t, GroupObserve)
		if got := rowsBefore(t, b); got != rows {
			t.Errorf("round %d: rows %s, want %s", i, got, rows)
		}
		if i%2 == 0 {
			n, delay = within(20)
			killDoing(t, b, "", 1+n, delay)
			b.cfg.Observe, b.cfg.Narrowed = false, teamTables()
			b.apply(t, GroupEnforce)
			if left := traces(t, b); left != "" {
				t.Errorf("round %d: enforce left %s", i, left)
			}
		}
		n, delay = within(20)
		killDoing(t, b, "undo", 1+n, delay)
		b.undo(t)
		if d := diff(before, b.neutral(t)); d != "" {
			t.Errorf("round %d: left (- before, + after):\n%s", i, d)
		}
	}
}

// rowsBefore sums what was there before any column was added.
func rowsBefore(t *testing.T, b *bench) string {
	t.Helper()
	return one[string](t, b.Conn(t, b.URL), `SELECT concat_ws(' ',
	  (SELECT md5(string_agg(concat_ws(':', id, order_id, qty), ',' ORDER BY id)) FROM app.lines),
	  (SELECT count(*) FROM app.orders), (SELECT count(*) FROM app.notes), (SELECT count(*) FROM app.events))`)
}
