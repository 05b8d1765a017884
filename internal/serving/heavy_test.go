package serving

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// crowd is tenants that run statements until they are ended, and how many at a time.
type crowd struct {
	g             *Gate
	running, most atomic.Int32
	done, refused atomic.Int32
	unfair        atomic.Int32 // refused for what others do
	ended         atomic.Bool
	all           sync.WaitGroup
}

func (c *crowd) end() {
	c.ended.Store(true)
	c.all.Wait()
}

// run has a tenant run statements one after another, and again.
func (c *crowd) run(t *testing.T, tenant string, took, pause time.Duration) {
	c.all.Go(func() {
		for !c.ended.Load() {
			leave, err := c.g.enter(t.Context(), tenant)
			if err != nil {
				c.refused.Add(1)
				if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Busy {
					c.unfair.Add(1)
				}
				continue
			}
			c.most.Store(max(c.most.Load(), c.running.Add(1)))
			time.Sleep(took)
			c.running.Add(-1)
			leave()
			c.done.Add(1)
			time.Sleep(pause)
		}
	})
}

// Tenants whose statements cost much run few at a time, together, with a rest between, while
// others are about, however long they wait; and as many as ever when they are alone.
func TestHeavyTenantsLeaveWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		took    time.Duration
		done    int32 // in 4 s
		refused bool  // a turn comes too late for some
	}{{20 * time.Millisecond, 57, false}, {32 * time.Millisecond, 41, false}, {60 * time.Millisecond, 22, true}} {
		t.Run(c.took.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewGate(8, Limits{})
				heavy, other := &crowd{g: g}, &crowd{g: g}
				defer heavy.end()
				defer other.end()
				for range 10 {
					heavy.run(t, "a", c.took, 0)
					heavy.run(t, "b", c.took, 0)
				}
				time.Sleep(3 * time.Second)
				if n := heavy.most.Swap(0); n != 6 {
					t.Errorf("alone %d run at a time, want 6", n)
				}
				other.run(t, "quick", time.Millisecond, 10*time.Millisecond)
				time.Sleep(time.Second)
				heavy.most.Store(0)
				before, others := heavy.done.Load(), other.done.Load()
				time.Sleep(4 * time.Second)
				if n, most := heavy.done.Load()-before, heavy.most.Load(); most != 1 || n < c.done-2 || n > c.done+2 {
					t.Errorf("beside another %d run at a time, and %d in 4 s, want 1 and %d", most, n, c.done)
				}
				if n := other.done.Load() - others; n < 360 || other.refused.Load() > 0 {
					t.Errorf("the other ran %d in 4 s, want 363; %d are refused", n, other.refused.Load())
				}
				if n := heavy.refused.Load(); n > 0 != c.refused || heavy.unfair.Load() > 0 {
					t.Errorf("%d are refused, %d of them as if the pool were busy", n, heavy.unfair.Load())
				}
			})
		})
	}
}

// Who is held back does not count as light again for that, to run at once all that waits; but does
// once nothing of it waits.
func TestHeldBackStaysHeavy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		heavy, other := &crowd{g: g}, &crowd{g: g}
		defer other.end()
		other.run(t, "quick", 300*time.Microsecond, 10*time.Millisecond)
		for range 20 {
			heavy.run(t, "a", 2*time.Millisecond, 0)
		}
		time.Sleep(time.Second)
		heavy.most.Store(0)
		time.Sleep(4 * time.Minute)
		if n := heavy.most.Load(); n != 1 {
			t.Errorf("%d run at a time", n)
		}
		heavy.end()
		time.Sleep(mostOwed * forgiven)
		if l := g.lanes["a"]; l.weight(time.Now()) != light {
			t.Errorf("still owes %s", l.owes(time.Now()))
		}
	})
}

// Tenants whose statements take much of the time, however cheap each is, run few at a time while
// one is about whose statements do not, and as many as ever while none is: alone, or even ones.
func TestBusyTenantsLeaveWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		busy            []string
		other           bool
		atMost, atLeast int32 // at a time, and in 4 s
	}{
		{"alone", []string{"a"}, false, 6, 79_000},
		{"beside another", []string{"a"}, true, 2, 13_000},
		{"two beside another", []string{"a", "b"}, true, 2, 13_000},
		{"two even ones", []string{"a", "b"}, false, 6, 79_000},
		{"eight even ones", strings.Split("abcdefgh", ""), false, 8, 105_000},
		{"eight even ones beside another", strings.Split("abcdefgh", ""), true, 8, 95_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			pgtest.Full(t, "beside another", "two even ones")
			synctest.Test(t, func(t *testing.T) {
				g := NewGate(8, Limits{})
				all, other := &crowd{g: g}, &crowd{g: g}
				defer all.end()
				defer other.end()
				if c.other {
					other.run(t, "other", 300*time.Microsecond, 10*time.Millisecond)
				}
				for _, tenant := range c.busy {
					for range 20 {
						all.run(t, tenant, 300*time.Microsecond, 0)
					}
				}
				time.Sleep(time.Second)
				all.most.Store(0)
				before, others := all.done.Load(), other.done.Load()
				time.Sleep(4 * time.Second)
				n, most := all.done.Load()-before, all.most.Load()
				// More would be done without a rest after each.
				if most > c.atMost || n < c.atLeast || n > c.atLeast*6/5 || c.other && other.done.Load()-others < 380 {
					t.Errorf("%d run at a time, %d in 4 s, and %d of the other", most, n, other.done.Load()-others)
				}
			})
		})
	}
}

// Many quick statements make no tenant heavy, nor does being slowed down by a heavy one.
func TestQuickTenantsAreNotHeavy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		all := &crowd{g: g}
		defer all.end()
		for range 4 {
			all.run(t, "heavy", 200*time.Millisecond, 0)
			all.run(t, "slowed", 8*time.Millisecond, 0)
		}
		for range 20 {
			time.Sleep(time.Second)
			now := time.Now()
			g.mu.Lock()
			if g.lanes["heavy"].weight(now) != heavy || g.lanes["slowed"].weight(now) == heavy {
				t.Errorf("owed: %s and %s", g.lanes["heavy"].owes(now), g.lanes["slowed"].owes(now))
			}
			g.mu.Unlock()
		}
	})
}

// What is heavy depends on what others' statements cost here, not on the machine or on how far away
// the database is.
func TestHeavyDependsOnTheOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		point, list time.Duration
		heavy       bool
	}{
		{"a fast machine", 150 * time.Microsecond, 2 * time.Millisecond, true},
		{"a slow machine", 4 * time.Millisecond, 40 * time.Millisecond, true},
		{"a database far away", 20 * time.Millisecond, 22 * time.Millisecond, false},
		{"quick ones", 150 * time.Microsecond, 450 * time.Microsecond, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewGate(8, Limits{})
				points, lists := &crowd{g: g}, &crowd{g: g}
				defer points.end()
				defer lists.end()
				points.run(t, "points", c.point, 20*time.Millisecond)
				lists.run(t, "lists", c.list, 0)
				time.Sleep(10 * time.Second)
				g.mu.Lock()
				defer g.mu.Unlock()
				if now := time.Now(); g.lanes["points"].weight(now) == heavy ||
					(g.lanes["lists"].weight(now) == heavy) != c.heavy {
					t.Errorf("points owe %s, lists %s", g.lanes["points"].owes(now), g.lanes["lists"].owes(now))
				}
			})
		})
	}
}

// A heavy tenant whose statements take longer than others wait does not lock out another heavy
// one; and none is heavy for ever.
func TestHeavyTenantsDoNotLockOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		long, dear, quick := &crowd{g: g}, &crowd{g: g}, &crowd{g: g}
		for _, c := range []*crowd{long, dear, quick} {
			defer c.end()
		}
		quick.run(t, "quick", time.Millisecond, 10*time.Millisecond)
		for range 3 {
			long.run(t, "long", 5*time.Second, 0)
		}
		time.Sleep(20 * time.Second)
		dear.run(t, "heavy", 200*time.Millisecond, 0)
		time.Sleep(20 * time.Second)
		if n := dear.done.Load(); n < 15 || dear.refused.Load()+quick.refused.Load() > 0 {
			t.Errorf("a heavy tenant beside a long one ran %d in 20 s; %d refused", n, dear.refused.Load())
		}
		l := &lane{owed: mostOwed, reckoned: time.Now()}
		time.Sleep((mostOwed - muchOwed) * forgiven)
		if l.weight(time.Now()) != heavy || l.weight(time.Now().Add(time.Second)) == heavy {
			t.Error("it is not forgiven in time")
		}
	})
}

// A heavy tenant's turn comes with time alone, though nobody else comes or goes.
func TestTurnComesWithTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		for _, name := range []string{"long", "heavy"} {
			l := g.lane(name)
			l.owed, l.reckoned, l.ended = mostOwed, time.Now(), time.Now()
		}
		start := time.Now()
		for _, name := range []string{"quick", "long", "heavy"} {
			leave, err := g.enter(t.Context(), name)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer leave()
		}
		if took := time.Since(start); took < time.Second || took > 1100*time.Millisecond {
			t.Errorf("its turn came after %s, want 1 s", took)
		}
	})
}

// What makes a large answer takes a third of the time beside others, and all of it alone.
func TestLargeAnswersRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		write := func(took time.Duration) time.Duration {
			x := &Exchange{gate: g, lane: g.lane("a"), control: http.NewResponseController(nil), leave: func() {}}
			defer x.close()
			x.ToDisk(1 << 20)
			start := time.Now()
			for range 10 {
				time.Sleep(took)
				if _, err := x.writeDisk([]byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(start)
		}
		alone := write(10 * time.Millisecond)
		leave, err := g.enter(t.Context(), "other")
		if err != nil {
			t.Fatal(err)
		}
		leave()
		beside, slow := write(10*time.Millisecond), write(time.Second/2)
		if alone != 100*time.Millisecond || beside != 3*alone || slow != 5*time.Second+10*longestRest {
			t.Errorf("alone %s, beside another %s, or %s", alone, beside, slow)
		}
	})
}
