package apikey

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"

	"golang.org/x/time/rate"

	"github.com/moat-db/moat/auth"
)

// ErrRate refuses a key that is used too often, or one too many that nobody knows.
var ErrRate = errors.New("the rate of requests with this key is exceeded")

// maxLimiters bounds the memory; beyond it all begin anew.
const maxLimiters = 10_000

// Guarded looks keys up at a rate: each key at its own, and all that were never seen
// together at one, so that guessing costs the database little.
type Guarded struct {
	DB DB
	// PerSecond is the rate of each key; zero means no limit.
	PerSecond float64

	mu        sync.Mutex
	known     map[[sha256.Size]byte]*rate.Limiter
	strangers *rate.Limiter
}

// strangersPerSecond is how many keys that were never seen are looked up a second.
const strangersPerSecond = 50

// Verify returns who a key is, [*auth.TokenError], or [ErrRate].
func (g *Guarded) Verify(ctx context.Context, secret string) (auth.Identity, error) {
	hash := sha256.Sum256([]byte(secret))
	if !g.limiter(hash).Allow() {
		return auth.Identity{}, ErrRate
	}
	id, err := Verify(ctx, g.DB, secret)
	if err == nil {
		g.met(hash)
	}
	return id, err
}

func (g *Guarded) limiter(hash [sha256.Size]byte) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.known[hash]; l != nil {
		return l
	}
	if g.strangers == nil {
		g.strangers = rate.NewLimiter(strangersPerSecond, strangersPerSecond)
	}
	return g.strangers
}

func (g *Guarded) met(hash [sha256.Size]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known[hash] != nil {
		return
	}
	if g.known == nil || len(g.known) >= maxLimiters {
		g.known = map[[sha256.Size]byte]*rate.Limiter{}
	}
	limit := rate.Limit(g.PerSecond)
	if g.PerSecond <= 0 {
		limit = rate.Inf
	}
	g.known[hash] = rate.NewLimiter(limit, max(1, int(g.PerSecond)))
}
