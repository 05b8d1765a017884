package api

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/moat-db/moat/api/problem"
)

// gate lets requests through to the pool: each tenant at its rate and with its share
// of the connections, and tenants that wait in turn, one request each, so that a
// long queue of one does not stand before another.
type gate struct {
	limits Limits
	each   int // statements of one tenant at a time

	mu    sync.Mutex
	free  int
	lanes map[string]*lane
	turns []*lane // lanes with waiting requests, next first
}

// lane is one tenant.
type lane struct {
	limiter *rate.Limiter
	slowed  int // refused requests that still wait for their answer
	running int
	waiting []chan struct{}
	queued  bool
	used    time.Time
}

// maxLanes is when idle tenants are forgotten.
const maxLanes = 20_000

func newGate(slots int, l Limits) *gate {
	slots = max(slots, 1)
	// One tenant alone never takes the whole pool.
	each := min(l.Concurrent, max(1, slots*3/4))
	return &gate{limits: l, each: each, free: slots, lanes: map[string]*lane{}}
}

// enter waits for a turn. The returned function gives it back.
func (g *gate) enter(ctx context.Context, tenant string) (func(), error) {
	g.mu.Lock()
	l := g.lane(tenant)
	if l.limiter != nil && !l.limiter.Allow() {
		g.slow(ctx, l)
		return nil, tooMany("the tenant's rate of requests is exceeded",
			time.Duration(float64(time.Second)/g.limits.RequestsPerSecond))
	}
	if g.free > 0 && l.running < g.each && len(l.waiting) == 0 {
		g.free--
		l.running++
		g.mu.Unlock()
		return g.leaver(l), nil
	}
	if len(l.waiting) >= g.limits.Waiting {
		g.mu.Unlock()
		return nil, tooMany("too many requests of the tenant are waiting", g.limits.Wait)
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	g.queue(l)
	g.mu.Unlock()
	return g.wait(ctx, l, turn)
}

// maxSlowed is how many refusals of one tenant wait at a time; further ones do not.
const maxSlowed = 100

// slow holds back a refusal for a moment, and unlocks. A client that asks again at once
// would cost the others more by being refused than its limit lets it cost by being
// answered. The moment is not always the same, so that many do not come back together.
func (g *gate) slow(ctx context.Context, l *lane) {
	held := l.slowed < maxSlowed
	if held {
		l.slowed++
	}
	g.mu.Unlock()
	if !held {
		return
	}
	timer := time.NewTimer(25*time.Millisecond + rand.N(50*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l.slowed--
}

func (g *gate) wait(ctx context.Context, l *lane, turn chan struct{}) (func(), error) {
	timer := time.NewTimer(g.limits.Wait)
	defer timer.Stop()
	select {
	case <-turn:
		return g.leaver(l), nil
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range l.waiting {
		if other == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return nil, g.gaveUp(l)
		}
	}
	return g.leaver(l), nil // the turn came at the same moment
}

// gaveUp says whose fault the waiting was: the tenant's own limit, or the pool's.
func (g *gate) gaveUp(l *lane) error {
	if l.running >= g.each {
		return tooMany("the tenant has too many requests at once", time.Second)
	}
	e := problem.New(http.StatusServiceUnavailable, "PGRST003", "Timed out acquiring connection from connection pool.")
	e.RetryAfter = time.Second
	return e
}

func tooMany(message string, wait time.Duration) error {
	e := problem.New(http.StatusTooManyRequests, "MOAT130", "%s", message)
	e.RetryAfter = max(wait, time.Second)
	return e
}

// leaver returns the function that ends a turn, once.
func (g *gate) leaver(l *lane) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			l.running--
			g.free++
			if len(l.waiting) > 0 {
				g.queue(l) // it may have dropped out while it was at its limit
			}
			g.dispatch()
		})
	}
}

func (g *gate) queue(l *lane) {
	if !l.queued {
		l.queued = true
		g.turns = append(g.turns, l)
	}
}

// dispatch gives free slots to waiting tenants in turn.
func (g *gate) dispatch() {
	for tries := len(g.turns); tries > 0 && g.free > 0; tries-- {
		l := g.turns[0]
		g.turns = g.turns[1:]
		l.queued = false
		if len(l.waiting) == 0 {
			continue
		}
		if l.running >= g.each {
			continue // it comes back when one of its own ends
		}
		turn := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.running++
		g.free--
		close(turn)
		if len(l.waiting) > 0 {
			g.queue(l)
			tries++
		}
	}
}

// lane returns the tenant's lane and forgets idle ones when there are many.
func (g *gate) lane(tenant string) *lane {
	now := time.Now()
	l := g.lanes[tenant]
	if l == nil {
		if len(g.lanes) >= maxLanes {
			g.sweep(now)
		}
		l = &lane{}
		if r := g.limits.RequestsPerSecond; r > 0 {
			burst := g.limits.Burst
			if burst <= 0 {
				burst = int(math.Ceil(r))
			}
			l.limiter = rate.NewLimiter(rate.Limit(r), burst)
		}
		g.lanes[tenant] = l
	}
	l.used = now
	return l
}

func (g *gate) sweep(now time.Time) {
	for tenant, l := range g.lanes {
		if l.running == 0 && l.slowed == 0 && len(l.waiting) == 0 && now.Sub(l.used) > time.Minute {
			delete(g.lanes, tenant)
		}
	}
}
