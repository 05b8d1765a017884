package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// So many tenants ask at once of a pool of so many connections, and the slowest of a hundred
// requests may take so many times what the middle one does.
const (
	togetherTenants = 200
	togetherPool    = 8
	togetherTail    = 5
)

// together measures how long each tenant waits while all ask at once, a client each, for one row
// by its key: a fair queue keeps the slowest requests near the others.
func together(ctx context.Context, d *database, o options) error {
	c, err := openCrowd(ctx, d, togetherTenants, 1000*togetherTenants, togetherPool)
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := c.askTogether(ctx, o.window); err != nil { // prepares the statements
		return err
	}
	took, err := c.askTogether(ctx, time.Duration(o.rounds)*o.window)
	if err != nil {
		return err
	}
	p50, p99 := percentile(took, 50), percentile(took, 99)
	fmt.Printf("\nTogether: %d tenants, a client each, over %d connections: %d requests, p50 %s, p99 %s, %.2f ×; "+
		"at most %d ×: %s\n", togetherTenants, togetherPool, len(took), p50, p99, float64(p99)/float64(p50),
		togetherTail, verdict(p99 <= togetherTail*p50))
	return nil
}

// askTogether has one caller of each tenant ask for the time of the window.
func (c *crowd) askTogether(ctx context.Context, window time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var failed error
	var all []time.Duration
	var clients sync.WaitGroup
	until := time.Now().Add(window)
	for _, who := range c.all[:c.tenants] { // the first callers are of a tenant each
		clients.Go(func() {
			took, err := c.askUntil(ctx, who, until)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if failed == nil {
				failed = err
			}
		})
	}
	clients.Wait()
	return all, failed
}

func (c *crowd) askUntil(ctx context.Context, who caller, until time.Time) ([]time.Duration, error) {
	server, err := dial(c.server.address)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	var took []time.Duration
	for time.Now().Before(until) && ctx.Err() == nil {
		request := c.ask(who, fmt.Sprintf("id=eq.%d", rand.IntN(c.each)))
		start := time.Now()
		status, err := server.send(request, io.Discard)
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("status %d: %w", status, err)
		}
		took = append(took, time.Since(start))
	}
	return took, ctx.Err()
}
