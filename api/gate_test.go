package api

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/moat-db/moat/api/problem"
)

// Refusals of a tenant that asks too often are held back, but only so many, and not
// longer than their request.
func TestRefusalsAreHeldBack(t *testing.T) {
	t.Parallel()
	g := newGate(8, Limits{RequestsPerSecond: 0.001, Burst: 1, Concurrent: 8, Waiting: 8, Wait: time.Second})
	leave, err := g.enter(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	leave()
	held := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.lane("a").slowed
	}
	most := 0
	var clients sync.WaitGroup
	for range 3 * maxSlowed {
		clients.Go(func() {
			_, err := g.enter(t.Context(), "a")
			if e, ok := err.(*problem.Error); !ok || e.Status != http.StatusTooManyRequests || e.RetryAfter < time.Second {
				t.Errorf("got %v, want 429 with Retry-After", err)
			}
		})
		most = max(most, held())
	}
	most = max(most, held())
	clients.Wait()
	if most == 0 || most > maxSlowed {
		t.Errorf("%d refusals were held at a time, want 1 to %d", most, maxSlowed)
	}
	if n := held(); n != 0 {
		t.Errorf("%d are still counted as held", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ended, "a"); err == nil {
		t.Error("a tenant over its rate was let in")
	}
}
