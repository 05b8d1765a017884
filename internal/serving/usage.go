package serving

import (
	"strings"
	"time"
)

// Usage is what one tenant has taken of a server since it started.
type Usage struct {
	Requests int64 // that were let in
	Refused  int64 // that were too many
	Rows     int64 // that the API answered with
	// Busy is for how long its statements held a connection, together.
	Busy time.Duration
}

// maxUsages is of how many tenants the usage is kept; later ones are not counted, so that
// no caller makes the server forget another.
const maxUsages = 100_000

// usage returns a tenant's counters, nil where they are not kept. Callers of whom it is not
// known yet that they are a tenant's have none.
func (g *Gate) usage(tenant string) *Usage {
	u := g.usages[tenant]
	if u == nil && tenant != "" && !strings.HasPrefix(tenant, callers) && len(g.usages) < maxUsages {
		u = &Usage{}
		g.usages[tenant] = u
	}
	return u
}

// count adds to a tenant's usage.
func (g *Gate) count(tenant string, add func(*Usage)) {
	if u := g.usage(tenant); u != nil {
		add(u)
	}
}

// Answered counts rows that a tenant was answered with.
func (g *Gate) Answered(tenant string, rows int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count(tenant, func(u *Usage) { u.Rows += rows })
}

// Usage is what a tenant has taken, and since when.
func (g *Gate) Usage(tenant string) (Usage, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if u := g.usages[tenant]; u != nil {
		return *u, g.began
	}
	return Usage{}, g.began
}
