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
func (g *Gate) Stranger(ctx context.Context) {
	wait, held := g.holdBack()
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
	g.nobody.slowed--
}

func (g *Gate) holdBack() (wait time.Duration, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	turn := g.nobody.limiter.Reserve()
	if wait = turn.Delay(); wait > strangerWait {
		turn.Cancel()
		wait = strangerWait
	}
	if held = wait > 0 && g.nobody.slowed < heldBack; held {
		g.nobody.slowed++
	}
	return wait, held
}
