package serving

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// How many strangers a second are answered at once, and how many of the further ones are held
// back at a time, for up to strangerWait; still further ones cost less to answer than to hold.
const (
	strangers    = 100
	heldBack     = 1000
	strangerWait = 2 * time.Second
)

func newStrangers() *rate.Limiter { return rate.NewLimiter(strangers, strangers) }

// Stranger holds back a request that is nobody's, one whose token is not good or that is only
// about to sign in, where many come: no tenant's limits hold for it, and who asks again at once
// would take the processors from all of them.
func (g *Gate) Stranger(ctx context.Context) { g.holdBack(ctx, g.nobody, strangerWait) }

// probeWait is short: who asks for the server's health may be who sends it its requests.
const probeWait = 250 * time.Millisecond

// Probe holds back a request for the server's health, where many come.
func (g *Gate) Probe(ctx context.Context) { g.holdBack(ctx, g.probes, probeWait) }

func (g *Gate) holdBack(ctx context.Context, l *lane, longest time.Duration) {
	g.mu.Lock()
	turn := l.limiter.Reserve()
	wait := turn.Delay()
	if wait > longest {
		turn.Cancel()
		wait = longest
	}
	g.pause(ctx, l, wait, heldBack)
}
