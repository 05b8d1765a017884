package console

import (
	"context"
	"sync"
	"time"
)

// prover runs prove in the background, one run at a time.
type prover struct {
	mu      sync.Mutex
	running bool
	started time.Time
	failed  string // why the last run gave no report
	end     func() // cuts the run short
	closed  bool
	runs    sync.WaitGroup
}

// start begins a run, unless one is going on. It outlives the request: it runs to its
// end whoever is still looking.
func (p *prover) start(ctx context.Context, now time.Time, run func(context.Context) (failed string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running || p.closed {
		return
	}
	p.running, p.started, p.failed = true, now, ""
	ctx, p.end = context.WithTimeout(context.WithoutCancel(ctx), proveTime)
	p.runs.Go(func() {
		failed := run(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.end()
		p.running, p.failed = false, failed
	})
}

func (p *prover) state(now time.Time) (running bool, seconds int, failed string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, int(now.Sub(p.started).Seconds()), p.failed
}

// close cuts a run short and waits until it has ended; no other one begins.
func (p *prover) close() {
	p.mu.Lock()
	p.closed = true
	if p.end != nil {
		p.end()
	}
	p.mu.Unlock()
	p.runs.Wait()
}

// proveTime bounds a run.
const proveTime = 10 * time.Minute
