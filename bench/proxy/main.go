// Command proxy measures moat proxy, plain and sealed, against the same point reads without
// it, through PgBouncer in session mode, and as applications do them today (BEGIN,
// set_config, SELECT, END), all as one role under row-level security. A bare relay, which copies
// bytes and binds nothing, shows what standing in between costs by itself.
//
// All clients speak TCP on loopback, and what stands in between reaches the server by its Unix
// socket. A client that runs on the server's own machine may use that socket itself: the targets
// named so show what it then has, for nothing in between.
//
// The proxy is a process of its own; pgbench is the client. The targets take turns, so that
// whatever else the machine does hits all of them alike. It reads /proc and runs on Linux
// only.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

type options struct {
	seconds, rounds, clients, rows int
	profile                        string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the benchmark, or the proxy that it starts from its own binary.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "serve" {
		return serve(ctx, args[1:])
	}
	var o options
	f := flag.NewFlagSet("proxy", flag.ExitOnError)
	f.IntVar(&o.seconds, "seconds", 1, "time of one turn of one target")
	f.IntVar(&o.rounds, "rounds", 12, "turns of each target; the best counts")
	f.IntVar(&o.clients, "clients", 8, "clients at once")
	f.IntVar(&o.rows, "rows", 100_000, "rows of the table")
	f.StringVar(&o.profile, "profile", "", "file for a processor profile of the sealed proxy")
	_ = f.Parse(args) // it exits by itself
	if runtime.GOOS != "linux" {
		return fmt.Errorf("processor times are read from /proc, which %s has not", runtime.GOOS)
	}
	b, err := setUp(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.throughput(ctx); err != nil {
		return fmt.Errorf("throughput: %w", err)
	}
	if err := b.latency(ctx); err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	if err := b.idle(ctx); err != nil {
		return fmt.Errorf("idle: %w", err)
	}
	return nil
}

// turn is what one turn of a target showed.
type turn struct {
	tps float64
	// Processor time for a statement: of what stands between, if anything does, and of
	// client, server and what stands between together. Unlike the rate it does not depend
	// on what else the machine does.
	between, total time.Duration
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (b *bench) throughput(ctx context.Context) error {
	best := map[string]turn{}
	for range b.options.rounds {
		for _, t := range b.targets {
			got, err := b.turn(ctx, t)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			if got.tps > best[t.name].tps {
				best[t.name] = got
			}
		}
	}
	fmt.Printf("%d clients, prepared, best of %d turns of %d s\n", b.options.clients, b.options.rounds, b.options.seconds)
	for _, t := range b.targets {
		got, direct := best[t.name], best["direct"]
		fmt.Printf("  %-20s %7.0f tps: %4.2f × direct, %4.2f × PgBouncer, %4.2f × as today; "+
			"CPU %5.1f µs between, %5.1f µs in all\n", t.name, got.tps, got.tps/direct.tps,
			got.tps/best["PgBouncer, session"].tps, got.tps/best["as today"].tps, micros(got.between), micros(got.total))
	}
	return nil
}
