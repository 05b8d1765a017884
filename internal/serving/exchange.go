package serving

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

// patience is how long a client may take neither to send nor to take a byte: a slow
// one goes on, a dead one ends.
const patience = 20 * time.Second

// stalled is how long an exchange must not have moved for others to take its memory.
const stalled = time.Second

// Exchange is one request and its answer, as far as they cost the server something: a
// place among the tenant's requests, a turn at the pool, and memory from the first byte
// of the body to the last byte of the answer.
//
// Only one of these depends on how fast the client is: the memory. A body is read before
// the turn, an answer is sent after it.
type Exchange struct {
	gate    *Gate
	control *http.ResponseController
	leave   func() // gives the turn back
	failed  error  // why what was written is not the answer
	disk    *disk  // nil where the answer is in memory

	// Guarded by the gate.
	lane    *lane
	arrived bool
	held    int64
	moved   time.Time
	ended   bool // its memory went to others
}

type exchangeKey struct{}

// ExchangeOf returns the exchange of a request that came through [Gate.Hold]; one that
// did not has one of its own, which is not held.
func (g *Gate) ExchangeOf(r *http.Request) *Exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*Exchange); ok {
		return x
	}
	return &Exchange{gate: g, lane: g.nobody, moved: time.Now(), leave: func() {}}
}

type ownerKey struct{}

// WithOwner returns a context whose exchange tells fn the tenant that it arrives for.
func WithOwner(ctx context.Context, fn func(tenant string)) context.Context {
	return context.WithValue(ctx, ownerKey{}, fn)
}

// Hold keeps the answers of next until they are complete, gives back what the request
// took of the pool, and only then sends them. refuse answers where there is no room for
// an answer.
func (g *Gate) Hold(next http.Handler, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &Exchange{gate: g, control: http.NewResponseController(w), lane: g.nobody, moved: time.Now(),
			leave: func() {}}
		defer x.close()
		x.patient(r)
		before := maps.Clone(w.Header())
		out := &heldAnswer{ResponseWriter: w, exchange: x}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		next.ServeHTTP(out, r)
		x.leave()
		if err := cmp.Or(x.failed, out.err); err != nil {
			clear(w.Header())
			maps.Copy(w.Header(), before)
			out.drop()
			refuse(out, r, err)
		}
		out.send(r)
	})
}

// patient sets the deadlines of a request. Without them nothing would end one whose body
// is never read, or that comes over the connection of one that ended late.
func (x *Exchange) patient(r *http.Request) {
	// Both fail where the server of a test knows no deadlines.
	_ = x.control.SetWriteDeadline(time.Time{})
	if r.Body != nil && r.Body != http.NoBody {
		_ = x.control.SetReadDeadline(time.Now().Add(patience))
	}
}

// Arrive gives the exchange to a tenant, at the tenant's rate.
func (x *Exchange) Arrive(ctx context.Context, tenant string) error {
	if fn, ok := ctx.Value(ownerKey{}).(func(string)); ok && !strings.HasPrefix(tenant, callers) {
		fn(tenant)
	}
	l, err := x.gate.arrive(ctx, tenant)
	if err != nil {
		return err
	}
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	held := x.held
	x.letGo(held)
	if x.arrived {
		x.lane.open--
	}
	x.lane, x.arrived = l, true
	x.hold(held)
	return nil
}

// callers begins the lanes of callers of whom it is not known yet that they may speak for a
// tenant: none begins so.
const callers = "\x00"

// Turn waits for a connection of the pool. Leave gives it back; the end of the exchange
// does so at the latest.
func (x *Exchange) Turn(ctx context.Context) error { return x.take(ctx, false) }

// take takes a turn. A long one takes none of the connections that are kept for quick requests.
func (x *Exchange) take(ctx context.Context, long bool) error {
	leave, err := x.gate.turn(ctx, x.lane, long)
	if err == nil {
		x.leave = leave
	}
	return err
}

// Fail has err explained in place of what was written so far.
func (x *Exchange) Fail(err error) { x.failed = err }

// Leave gives the turn back.
func (x *Exchange) Leave() { x.leave() }

func (x *Exchange) close() {
	x.leave()
	x.dropDisk()
	g := x.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	x.letGo(x.held)
	if x.arrived {
		x.lane.open--
	}
}

var errEnded = fmt.Errorf("%w, and others needed the memory", ErrBodySlow)

// Take counts n more bytes that the exchange holds, or refuses them.
func (x *Exchange) Take(n int) error {
	g, size := x.gate, int64(n)
	g.mu.Lock()
	defer g.mu.Unlock()
	if x.ended {
		return errEnded
	}
	x.moved = time.Now()
	for x.lane.held+size > g.limits.TenantBytes {
		if !g.end(x.lane) {
			return tooMany(time.Second, "the tenant's requests and answers that are on their way are too large together")
		}
	}
	for g.held+size > g.limits.AllBytes {
		if !g.end(g.fattest()) {
			return noRoom("the server has too many answers on their way")
		}
	}
	x.hold(size)
	return nil
}

// Give counts n bytes less.
func (x *Exchange) Give(n int) {
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	x.letGo(min(int64(n), x.held))
}

// advance notes that the client has taken or sent something.
func (x *Exchange) advance() {
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	x.moved = time.Now()
}

func (x *Exchange) hold(n int64) {
	l := x.lane
	if n == 0 {
		return
	}
	x.held, l.held, x.gate.held = x.held+n, l.held+n, x.gate.held+n
	if l.holders == nil {
		l.holders = map[*Exchange]bool{}
	}
	l.holders[x], x.gate.holding[l] = true, true
}

func (x *Exchange) letGo(n int64) {
	l := x.lane
	x.held, l.held, x.gate.held = x.held-n, l.held-n, x.gate.held-n
	if x.held == 0 {
		delete(l.holders, x)
	}
	if l.held == 0 {
		delete(x.gate.holding, l)
	}
}

// fattest is the lane that holds most.
func (g *Gate) fattest() *lane {
	most := g.nobody
	for l := range g.holding {
		if l.held > most.held {
			most = l
		}
	}
	return most
}

// end takes the memory of the exchange of a lane that has moved longest ago, where that
// was not just now, and reports whether it did. So those who do not take their answers
// lose them, and not those who ask next.
func (g *Gate) end(l *lane) bool {
	var oldest *Exchange
	for x := range l.holders {
		if oldest == nil || x.moved.Before(oldest.moved) {
			oldest = x
		}
	}
	if oldest == nil || time.Since(oldest.moved) < stalled {
		return false
	}
	oldest.ended = true
	oldest.letGo(oldest.held)
	go oldest.abort() // it may have to wait for the connection
	return true
}

// abort makes what reads from or writes to the client return.
func (x *Exchange) abort() {
	if x.control == nil {
		return
	}
	past := time.Unix(1, 0)
	_ = x.control.SetReadDeadline(past) // both fail only where there is no connection any more
	_ = x.control.SetWriteDeadline(past)
}
