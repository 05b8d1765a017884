package serving

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/moat-db/moat/internal/standing"
)

// Limits bound what one tenant may take of a server, whatever it asks through: the API,
// the portal or the console.
type Limits struct {
	// RequestsPerSecond of a tenant; 0 means no limit. Burst is how many may come at
	// once; 0 means one second's.
	RequestsPerSecond float64
	Burst             int
	// Concurrent statements of a tenant; 0 means 20.
	Concurrent int
	// Waiting requests of a tenant for a turn; 0 means 4 times Concurrent.
	Waiting int
	// BesideOthers is how many statements of heavy tenants run at a time, together, while
	// others are about, and half of how many of busy ones do; 0 means an eighth of the pool.
	BesideOthers int
	// Wait for a turn; 0 means 2 s.
	Wait time.Duration
	// BodyBytes of a request; 0 means 1 MiB. AnswerBytes of an answer; 0 means 16 MiB.
	BodyBytes, AnswerBytes int64
	// TenantBytes and AllBytes are what bodies and answers of a tenant, and of all, may
	// hold of the memory until they are read; 0 means room for one of the largest
	// answers in the making (2.5 times AnswerBytes), and 64 MiB or half as much again.
	TenantBytes, AllBytes int64
}

// WithDefaults returns l with its zero values filled in.
func (l Limits) WithDefaults() Limits {
	if l.Concurrent <= 0 {
		l.Concurrent = 20
	}
	if l.Waiting <= 0 {
		l.Waiting = 4 * l.Concurrent
	}
	if l.Wait <= 0 {
		l.Wait = 2 * time.Second
	}
	setBytes(&l.BodyBytes, 1<<20)
	setBytes(&l.AnswerBytes, 16<<20)
	setBytes(&l.TenantBytes, max(16<<20, scaled(l.AnswerBytes, 5)))
	setBytes(&l.AllBytes, max(64<<20, scaled(l.TenantBytes, 3)))
	return l
}

func setBytes(value *int64, initial int64) {
	if *value <= 0 {
		*value = initial
	}
}

// scaled is n halves of size, where there is such a number.
func scaled(size, n int64) int64 {
	if size > math.MaxInt64/n {
		return math.MaxInt64
	}
	return size * n / 2
}

// RefusedError refuses a request that may come again later.
type RefusedError struct {
	// Busy says that the server has no room; otherwise the tenant is at a limit of its own.
	Busy   bool
	Reason string
	After  time.Duration
}

func (e *RefusedError) Error() string { return e.Reason }

func tooMany(after time.Duration, reason string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(reason, args...), After: max(after, time.Second)}
}

func noRoom(reason string) error {
	return &RefusedError{Busy: true, Reason: reason, After: time.Second}
}

// Gate lets requests through to the pool: each tenant at its rate and with its share
// of the connections, and tenants that wait in turn, one request each, so that a
// long queue of one does not stand before another. It also counts what they hold of the
// memory (Exchange). All that share a pool must share its Gate.
type Gate struct {
	limits  Limits
	each    int // statements of one tenant at a time, whatever its limit
	reserve int // connections that only a quick tenant without one may take
	slots   int

	mu      sync.Mutex
	free    int
	held    int64
	disk    int64
	holding map[*lane]bool // lanes that hold memory
	lanes   map[string]*lane
	used    list.List // lanes, used longest ago first
	nobody  *lane     // of requests that are nobody's, or not yet anybody's
	probes  *lane     // of requests for the server's health
	turns   []*lane   // lanes with waiting requests, next first
	looks   bool      // after them, from time to time
	usages  map[string]*Usage
	began   time.Time
	work    work

	long *Gate // what statements pass that may run for long
}

// lane is one tenant.
type lane struct {
	tenant  string
	place   *list.Element
	limiter *rate.Limiter
	each    int       // statements at a time
	asked   time.Time // when its own limits were last asked for
	open    int       // requests that have come and are not answered to the end
	slowed  int       // refused requests that still wait for their answer
	running int
	took    time.Duration // by one of its statements, the last ones counting most
	cost    time.Duration // of one, likewise: see [work.now]
	began   time.Time     // the last of them
	ended   time.Time     // the one that ended last
	owed    time.Duration // when it was reckoned: see [lane.owes]
	used    time.Duration // likewise: see [lane.uses]
	// reckoned is when what it owed was last reckoned.
	reckoned time.Time
	waiting  []*waiter
	queued   bool
	held     int64
	disk     int64
	holders  map[*Exchange]bool
}

// waiter is a request that waits for its turn, which may be known to be a long one.
type waiter struct {
	turn  chan struct{} // closed when it has come
	leave func()        // then gives it back
	long  bool
}

// NewGate returns a Gate to a pool of so many connections.
func NewGate(slots int, l Limits) *Gate {
	g := newGate(slots, l)
	g.long = newLong(slots)
	return g
}

func newGate(slots int, l Limits) *Gate {
	slots, l = max(slots, 1), l.WithDefaults()
	if l.BesideOthers <= 0 {
		l.BesideOthers = max(1, slots/8)
	}
	g := &Gate{limits: l, slots: slots, free: slots, reserve: slots / 4, lanes: map[string]*lane{},
		holding: map[*lane]bool{},
		usages:  map[string]*Usage{}, nobody: &lane{limiter: newStrangers()}, probes: &lane{limiter: newStrangers()},
		began: time.Now(), work: work{read: time.Now()}}
	// One tenant alone never takes the whole pool.
	g.each = max(1, slots*3/4)
	return g
}

// arrive lets a request of a tenant in, at the tenant's rate.
func (g *Gate) arrive(ctx context.Context, tenant string) (*lane, error) {
	g.mu.Lock()
	l := g.lane(tenant)
	if l.limiter != nil && !l.limiter.Allow() {
		g.count(tenant, func(u *Usage) { u.Refused++ })
		g.slow(ctx, l, moment)
		return nil, tooMany(time.Duration(float64(time.Second)/float64(l.limiter.Limit())),
			"the tenant's rate of requests is exceeded")
	}
	if l.open-l.each >= g.limits.Waiting {
		g.count(tenant, func(u *Usage) { u.Refused++ })
		g.slow(ctx, l, moment)
		return nil, tooMany(g.limits.Wait, "too many requests of the tenant are waiting")
	}
	defer g.mu.Unlock()
	l.open++
	g.count(tenant, func(u *Usage) { u.Requests++ })
	return l, nil
}

// maxSlowed is how many refusals of one tenant wait at a time; further ones do not.
const maxSlowed = 100

// moment is about how long one waits.
const moment = 50 * time.Millisecond

// slow holds back a refusal for a moment, and unlocks. A client that asks again at once
// would cost the others more by being refused than its limit lets it cost by being
// answered. The moment is not always the same, so that many do not come back together.
func (g *Gate) slow(ctx context.Context, l *lane, about time.Duration) {
	g.pause(ctx, l, about/2+rand.N(about), maxSlowed)
}

// pause holds a request of a lane back, at most so many of them at a time, and unlocks.
func (g *Gate) pause(ctx context.Context, l *lane, wait time.Duration, most int) {
	held := wait > 0 && l.slowed < most
	if held {
		l.slowed++
	}
	g.mu.Unlock()
	if !held {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l.slowed--
}

// turn waits for a connection. The returned function gives it back. A long turn says nothing
// of how quick the tenant's other statements are.
func (g *Gate) turn(ctx context.Context, l *lane, long bool) (func(), error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(l.waiting) == 0 && g.mayRun(l, long) {
		return g.begin(l, long), nil
	}
	if len(l.waiting) >= g.limits.Waiting {
		return nil, tooMany(g.limits.Wait, "too many requests of the tenant are waiting")
	}
	w := &waiter{turn: make(chan struct{}), long: long}
	l.reckon(time.Now())
	l.waiting = append(l.waiting, w)
	g.queue(l)
	return g.wait(ctx, l, w)
}

// mayRun reports whether a lane gets a connection now, for a long turn or another.
func (g *Gate) mayRun(l *lane, long bool) bool {
	return g.free > g.kept(l, long) && l.running < l.each && (long || g.leavesWork(l))
}

// kept is how many connections a lane leaves to others. The last ones are for tenants that
// have none and whose statements are quick, half of them for those of whom that is known: who
// runs long ones, even one at a time, must not make everybody wait.
func (g *Gate) kept(l *lane, long bool) int {
	switch {
	case long || l.running > 0 || l.took >= slowStatement:
		return g.reserve
	case l.took == 0:
		return g.reserve / 2
	}
	return 0
}

// slowStatement is from when on a tenant's statements are not quick: far beyond what a busy
// server makes of quick ones, or those would have to wait for being slowed down.
const slowStatement = 200 * time.Millisecond

// slowFor is how long it is remembered of a tenant that asks no more.
const slowFor = 10 * time.Second

// ran notes how long a statement of the lane took, and what it cost.
func (g *Gate) ran(l *lane, took, cost time.Duration) {
	if l.took == 0 {
		l.took, l.cost = max(took, 1), cost
	}
	now := time.Now()
	l.cost += (cost - l.cost) / 4
	l.reckon(now)
	l.owed = min(l.owed+max(cost-g.work.cheap(now, l.cost), 0), mostOwed)
	l.used = min(l.used+cost, mostOwed)
	l.took, l.ended = max(l.took+(took-l.took)/4, 1), now
}

// wait is called, and returns, with the gate locked.
func (g *Gate) wait(ctx context.Context, l *lane, w *waiter) (func(), error) {
	g.mu.Unlock()
	timer := time.NewTimer(g.limits.Wait)
	defer timer.Stop()
	select {
	case <-w.turn:
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		l.reckon(time.Now())
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return nil, g.gaveUp(l)
	}
	return w.leave, nil // it may have come at the same moment
}

// gaveUp says whose fault the waiting was: the tenant's own limit, or the pool's.
func (g *Gate) gaveUp(l *lane) error {
	if l.running > 0 || !g.leavesWork(l) {
		return tooMany(time.Second, "the tenant has too many requests at once")
	}
	return noRoom("Timed out acquiring connection from connection pool.")
}

// begin begins a turn, and returns the function that ends it, once.
func (g *Gate) begin(l *lane, long bool) func() {
	began, clock := time.Now(), g.work.now(g.slots-g.free)
	weight := light
	if !long {
		weight = g.work.begins(l, began)
	}
	g.free--
	l.running++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		took, cost := time.Since(began), g.work.now(g.slots-g.free)-clock
		g.count(l.tenant, func(u *Usage) { u.Busy += took })
		if !long {
			g.ran(l, took, cost)
			g.rest(weight, took)
		}
		l.running--
		g.free++
		if len(l.waiting) > 0 {
			g.queue(l) // it may have dropped out while it was at its limit
		}
		g.dispatch()
	})
}

func (g *Gate) queue(l *lane) {
	if !l.queued {
		l.queued = true
		g.turns = append(g.turns, l)
	}
	if !g.looks {
		g.looks = true
		time.AfterFunc(g.limits.Wait/lookTimes, g.look)
	}
}

// dispatch gives free connections to waiting tenants in turn. A tenant that may have no
// further one keeps its place, behind those that may.
func (g *Gate) dispatch() {
	for tries := len(g.turns); tries > 0 && g.free > 0; tries-- {
		l := g.turns[0]
		g.turns = g.turns[1:]
		l.queued = false
		if len(l.waiting) == 0 {
			continue
		}
		next := l.waiting[0]
		if !g.mayRun(l, next.long) {
			if l.running < l.each { // otherwise it comes back when one of its own ends
				g.queue(l)
			}
			continue
		}
		l.reckon(time.Now())
		l.waiting = l.waiting[1:]
		next.leave = g.begin(l, next.long)
		close(next.turn)
		if len(l.waiting) > 0 {
			g.queue(l)
			tries++
		}
	}
}

// lane returns the tenant's lane. A new one costs the same however many there are.
func (g *Gate) lane(tenant string) *lane {
	l := g.lanes[tenant]
	if l != nil {
		g.used.MoveToBack(l.place)
		return l
	}
	g.forget(time.Now())
	l = &lane{tenant: tenant}
	g.limit(l, standing.Limit{})
	l.place = g.used.PushBack(l)
	g.lanes[tenant] = l
	return l
}

// forget drops lanes that were used longest ago and that would begin as they are: two
// for each new one, so that they get fewer as soon as they can.
func (g *Gate) forget(now time.Time) {
	for range 2 {
		first := g.used.Front()
		if first == nil {
			return
		}
		if l := first.Value.(*lane); l.fresh(now) {
			g.used.Remove(first)
			delete(g.lanes, l.tenant)
		} else {
			g.used.MoveToBack(first)
		}
	}
}

func (l *lane) fresh(now time.Time) bool {
	return l.open == 0 && l.slowed == 0 && l.running == 0 && len(l.waiting) == 0 && l.held == 0 &&
		(l.took < slowStatement || now.Sub(l.ended) > slowFor) && l.weight(now) == light &&
		(l.limiter == nil || l.limiter.TokensAt(now) >= float64(l.limiter.Burst()))
}
