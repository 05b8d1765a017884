package serving

import (
	"context"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/standing"
)

// limitsFor is how long a tenant's limits hold until they are asked for again, beside
// another statement of the tenant's.
const limitsFor = time.Second

// LimitSQL selects the limits of the tenant $1, for [standing.Limit.Scan]; "" where no
// tenant has limits of its own.
func (c *Check) LimitSQL() string { return c.limit }

func (x *Exposure) limitQuestion() string {
	r := x.Relation(standing.Limits())
	if r == nil || !x.readable(r, x.Model.Column) {
		return ""
	}
	return standing.LimitSQL(x.View)
}

// Limit asks for the limits of a scope's tenant, in a round trip of its own.
func (d *Door) Limit(ctx context.Context, c *Check, s moat.Scope) (own standing.Limit, err error) {
	if c.limit == "" {
		return standing.Limit{}, nil
	}
	err = own.Scan(d.db.QueryRow(moat.WithScope(ctx, s), c.limit, string(s.Tenant)))
	return own, err
}

// AsksLimit reports whether it is time to ask for the limits of the exchange's tenant, and
// leaves that to the caller.
func (x *Exchange) AsksLimit() bool {
	g := x.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if x.lane == g.nobody || time.Since(x.lane.asked) < limitsFor {
		return false
	}
	x.lane.asked = time.Now()
	return true
}

// Limit sets what the exchange's tenant may take from now on.
func (x *Exchange) Limit(own standing.Limit) {
	x.gate.mu.Lock()
	defer x.gate.mu.Unlock()
	if x.lane != x.gate.nobody {
		x.gate.limit(x.lane, own)
	}
}

// limit gives a lane the limits of its tenant: its own, and where it has none, those of all.
func (g *Gate) limit(l *lane, own standing.Limit) {
	l.each = min(g.limits.Concurrent, g.each)
	if own.Concurrent != nil {
		l.each = min(*own.Concurrent, g.each)
	}
	r, burst := g.limits.RequestsPerSecond, g.limits.Burst
	if own.RequestsPerSecond != nil {
		r, burst = *own.RequestsPerSecond, 0
	}
	if own.Burst != nil {
		burst = *own.Burst
	}
	if r <= 0 {
		l.limiter = nil
		return
	}
	if burst <= 0 {
		burst = int(math.Ceil(r))
	}
	if l.limiter == nil {
		l.limiter = rate.NewLimiter(rate.Limit(r), burst)
	}
	l.limiter.SetLimit(rate.Limit(r))
	l.limiter.SetBurst(burst)
}
