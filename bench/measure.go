package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// once runs a shape for a random tenant and row, on one of the sides.
func (b *bench) once(ctx context.Context, s sides, sh shape, moat bool) error {
	tenant, k := rand.IntN(b.tenants), rand.Int64N(int64(b.perTenant))
	if moat {
		return sh.moat(scoped(ctx, tenant), s.moat, k)
	}
	return sh.plain(ctx, s.plain, tenantID(tenant), k)
}

// fewest statements that alternate runs: however slow the machine, both sides have some to compare.
const fewest = 100

// alternate runs the two sides, 0 and 1, statement by statement, so that whatever else
// the machine does hits both alike.
func alternate(window time.Duration, once func(side int) error) (took [2][]time.Duration, err error) {
	until := time.Now().Add(2 * window)
	for i := 0; i < fewest || time.Now().Before(until); i++ {
		start := time.Now()
		if err := once(i % 2); err != nil {
			return took, err
		}
		if i > 40 { // the first ones prepare the statement and warm the caches
			took[i%2] = append(took[i%2], time.Since(start))
		}
	}
	return took, nil
}

// latencies compares single statements.
func (b *bench) latencies(ctx context.Context, out *tabwriter.Writer, window time.Duration) error {
	for _, sh := range shapes() {
		for _, s := range []sides{b.direct, b.delayed} {
			took, err := alternate(window, func(side int) error { return b.once(ctx, s, sh, side == 1) })
			if err != nil {
				return fmt.Errorf("%s: %w", sh.name, err)
			}
			printLatencies(out, b.tenants, sh.name, s.link, took)
		}
	}
	return nil
}

func printLatencies(out *tabwriter.Writer, tenants int, shape, link string, took [2][]time.Duration) {
	p50, p99 := [2]time.Duration{}, [2]time.Duration{}
	for side := range took {
		slices.Sort(took[side])
		p50[side], p99[side] = took[side][len(took[side])/2], took[side][len(took[side])*99/100]
	}
	fmt.Fprintf(out, "%d\t%s\t%s\t%s\t%s\t%.2f\t%s\t%s\t%.2f\t\n", tenants, shape, link,
		micro(p50[0]), micro(p50[1]), ratio(p50[1], p50[0]), micro(p99[0]), micro(p99[1]), ratio(p99[1], p99[0]))
	out.Flush()
}

// throughputs lets eight clients run for short windows of each side in turn.
func (b *bench) throughputs(ctx context.Context, out *tabwriter.Writer, window time.Duration) error {
	for _, sh := range shapes() {
		var done [2]int64
		const turns = 6
		for turn := range 2 * turns {
			n, err := b.clients(ctx, sh, turn%2 == 1, window/turns)
			if err != nil {
				return fmt.Errorf("%s, 8 clients: %w", sh.name, err)
			}
			done[turn%2] += n
		}
		perSecond := func(n int64) string { return fmt.Sprintf("%.0f/s", float64(n)/window.Seconds()) }
		fmt.Fprintf(out, "%d\t%s\t8 clients\t%s\t%s\t%.2f\t\t\t\t\n", b.tenants, sh.name,
			perSecond(done[0]), perSecond(done[1]), float64(done[1])/float64(done[0]))
		out.Flush()
	}
	return nil
}

func (b *bench) clients(ctx context.Context, sh shape, moat bool, window time.Duration) (int64, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var clients sync.WaitGroup
	until := time.Now().Add(window)
	for range 8 {
		clients.Go(func() {
			for time.Now().Before(until) {
				if err := b.once(ctx, b.direct, sh, moat); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	clients.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return done.Load(), nil
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
