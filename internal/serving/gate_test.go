package serving

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Refusals of a tenant that asks too often are held back, but only so many, and not
// longer than their request.
func TestRefusalsAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{RequestsPerSecond: 0.001, Burst: 1, Concurrent: 8, Waiting: 8, Wait: time.Second})
		leave, err := g.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		leave()
		var answered atomic.Int64
		for range 3 * maxSlowed {
			go func() {
				_, err := g.enter(t.Context(), "a")
				if e, ok := err.(*RefusedError); !ok || e.Busy || e.After < time.Second {
					t.Errorf("got %v, want the tenant refused for a second or more", err)
				}
				answered.Add(1)
			}()
		}
		synctest.Wait() // until all that are left sleep
		if n := answered.Load(); n != 2*maxSlowed {
			t.Errorf("%d of %d are refused at once, want all but %d", n, 3*maxSlowed, maxSlowed)
		}
		time.Sleep(80 * time.Millisecond)
		synctest.Wait()
		if n := answered.Load(); n != 3*maxSlowed || g.lane("a").slowed != 0 {
			t.Errorf("%d are refused after 80 ms, and %d still counted as held", n, g.lane("a").slowed)
		}
	})
}

// So many strangers are answered at once, the others at that rate, or after a while; many more
// cost no memory.
func TestStrangersAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		var answered atomic.Int64
		var all sync.WaitGroup
		for range strangers + heldBack + 50 {
			all.Go(func() {
				g.Stranger(t.Context())
				answered.Add(1)
			})
		}
		synctest.Wait()
		if n := answered.Load(); n != strangers+50 {
			t.Errorf("%d are answered at once, want %d", n, strangers+50)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if n := answered.Load(); n != 2*strangers+50 {
			t.Errorf("%d are answered in a second, want %d", n, 2*strangers+50)
		}
		all.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		g.nobody.limiter.AllowN(time.Now(), g.nobody.limiter.Burst())
		start := time.Now()
		if g.Stranger(ctx); time.Since(start) != time.Millisecond || g.nobody.slowed != 0 {
			t.Errorf("who has gone is held for %s, and %d are held", time.Since(start), g.nobody.slowed)
		}
	})
}

// Who asks for the server's health waits where many do, but not for long, and not for strangers.
func TestProbesAreHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		g.nobody.limiter.AllowN(time.Now(), strangers)
		start := time.Now()
		var all sync.WaitGroup
		for range 2 * strangers {
			all.Go(func() { g.Probe(t.Context()) })
		}
		all.Wait()
		if took := time.Since(start); took != probeWait || g.probes.slowed != 0 {
			t.Errorf("twice as many as are answered at once took %s, want %s", took, probeWait)
		}
		time.Sleep(time.Second)
		start = time.Now()
		if g.Probe(t.Context()); time.Since(start) != 0 {
			t.Errorf("one alone waited %s", time.Since(start))
		}
	})
}

// A held request whose time is up is not held longer.
func TestHeldRequestEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{RequestsPerSecond: 0.001, Burst: 1})
		g.lane("a").limiter.Allow()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := g.enter(ctx, "a"); err == nil {
			t.Error("a tenant over its rate was let in")
		}
		if took := time.Since(start); took != time.Millisecond {
			t.Errorf("held for %v, its request had 1ms", took)
		}
	})
}

// enter comes and gets a turn, or is refused.
func (g *Gate) enter(ctx context.Context, tenant string) (func(), error) {
	x := &Exchange{gate: g, lane: g.nobody, leave: func() {}}
	if err := x.Arrive(ctx, tenant); err != nil {
		return nil, err
	}
	if err := x.Turn(ctx); err != nil {
		x.close()
		return nil, err
	}
	return x.close, nil
}
