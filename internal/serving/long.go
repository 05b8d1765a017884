package serving

import (
	"context"
	"time"
)

// What statements that may run for long have of the pool, so that they never are what others
// wait for: a quarter of it, one of a tenant at a time. Further ones wait, in turn.
const (
	longShare   = 4
	longWaiting = 4
	longWait    = time.Minute
)

func newLong(slots int) *Gate {
	slots = max(1, slots/longShare)
	return newGate(slots, Limits{Concurrent: 1, BesideOthers: slots, Waiting: longWaiting, Wait: longWait})
}

// Long gives the turn back, waits until the exchange may run for long, and takes a turn again.
func (x *Exchange) Long(ctx context.Context) error {
	x.leave()
	long := x.gate.long
	long.mu.Lock()
	l := long.lane(x.lane.tenant)
	long.mu.Unlock()
	last, err := long.turn(ctx, l, false)
	if err != nil {
		// Who asks again at once would cost more than one that runs.
		long.mu.Lock()
		long.slow(ctx, l, time.Second)
		return err
	}
	if err := x.take(ctx, true); err != nil {
		last()
		return err
	}
	leave := x.leave
	x.leave = func() { leave(); last() }
	return nil
}
