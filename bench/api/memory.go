package main

import (
	"context"
	"fmt"
	"time"
)

// The limit is for what the server asks the system for. The pages of its program, which the system
// shares and takes back as it likes, are no measure of what the clients cost: they grow with the
// program, to 29 MB of 53.
const (
	atOnce      = 500
	memoryLimit = 60 << 20
)

// memory measures the most that moat serve, with its default pool, holds while 500
// clients wait for lists of 50 all the time.
func memory(ctx context.Context, d *database, o options) error {
	s, err := startMoat(ctx, d, "bench_memory", 0, "{requests_per_second: 0, concurrent: 0, wait: 30s}")
	if err != nil {
		return err
	}
	defer s.stop()
	idle, err := memoryOf(s.cmd.Process.Pid, "VmRSS")
	if err != nil {
		return err
	}
	l := load{address: s.address, clients: atOnce}
	for _, c := range d.callers {
		l.requests = append(l.requests, s.list(c))
	}
	got, _, err := l.run(ctx, 5*o.window)
	if err != nil {
		return err
	}
	used, _, err := s.processorTime(ctx, d.admin)
	if err != nil {
		return err
	}
	peak, err := memoryOf(s.cmd.Process.Pid, "VmHWM")
	if err != nil {
		return err
	}
	program, err := memoryOf(s.cmd.Process.Pid, "RssFile")
	if err != nil {
		return err
	}
	fmt.Printf("\nMemory: %d requests at once for %s, answers by status %v, %.0f µs of the server each\n", atOnce,
		5*o.window.Round(time.Millisecond), got, 1e6*used.Seconds()/float64(got.total()))
	own := peak - program
	fmt.Printf("resident at first %s, at most %s, of which %s are the program's own file; the other %s below %s: %s\n",
		megabytes(idle), megabytes(peak), megabytes(program), megabytes(own), megabytes(memoryLimit),
		verdict(own < memoryLimit))
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }
