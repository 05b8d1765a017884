package cli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// smallMemory is what the runtime may take before it collects more eagerly.
	smallMemory = 38 << 20
	// growth is how many percent a heap may grow between collections below that. The
	// runtime's own 100 collects the few megabytes of a quiet server all the time.
	growth = 400
)

// tuneMemory lets a small heap grow further than the runtime would before it is
// collected, up to a fixed size, and leaves a large one to the runtime's usual pace.
// GOGC and GOMEMLIMIT in the environment win.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(growth)
	debug.SetMemoryLimit(smallMemory)
	go func() {
		every := time.NewTicker(time.Second)
		defer every.Stop()
		last := int64(smallMemory)
		for {
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
			// Setting it stops the program for a moment, so not for every little change.
			if now := memoryLimit(liveHeap()); now > last*5/4 || now < last*3/4 {
				debug.SetMemoryLimit(now)
				last = now
			}
		}
	}()
}

// memoryLimit is well above what is in use where that is much: a limit that is close to
// it would have the runtime do little but collect.
func memoryLimit(live int64) int64 { return max(smallMemory, live*3/2+24<<20) }

func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}
