// Command api measures moat serve over HTTP on loopback: requests for each second of
// processor time compared with a plain handler, PostGraphile and pgbench; its memory with 500
// requests at once; what a greedy tenant costs another one; with -only hostile, what hostile ones
// do; with -only tenants, what a request costs among ever more tenants; and, with -only together,
// how evenly 200 tenants wait that ask at once.
//
// Each server is a process of its own over the demo's database, with as many
// connections as the others. Processor time is that of the server and of its PostgreSQL
// backends together, user and system; that of the load generator, which is this
// process, does not count. The servers take turns in short windows, so that whatever
// else the machine does hits all of them alike. It reads /proc and runs on Linux only.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/moat-db/moat/internal/cli"
)

// profileEnv names the file that moat serve writes its profile to.
const profileEnv = "BENCH_PROFILE"

// options are the flags.
type options struct {
	window      time.Duration
	rounds      int
	connections int
	only        string
	rows        int
	tenants     string
	profile     string
	attack      string
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

// run is the benchmark, or one of the processes that it starts from its own binary.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "serve":
			return serveMoat(ctx, args)
		case "plain":
			return servePlain(ctx, args[1:])
		case "bare":
			return serveBare(ctx, args[1:])
		case "greedy":
			return beGreedy(ctx, args[1:])
		case "hostile":
			return beHostile(ctx, args[1:])
		}
	}
	var o options
	f := flag.NewFlagSet("api", flag.ExitOnError)
	f.DurationVar(&o.window, "window", 1500*time.Millisecond, "time of one turn of one server")
	f.IntVar(&o.rounds, "rounds", 6, "turns of each server")
	f.IntVar(&o.connections, "connections", 8, "connections of each server, and clients")
	f.StringVar(&o.only, "only", "requests,memory,fairness",
		"sections to run; there are also hostile, tenants and together")
	f.StringVar(&o.attack, "attack", "", "the only attack of section hostile")
	f.IntVar(&o.rows, "rows", 5_000_000, "rows of each database of section tenants")
	f.StringVar(&o.tenants, "tenants", "10,1000,100000", "numbers of tenants to spread the rows over")
	f.StringVar(&o.profile, "profile", "", "file for a processor profile of moat serve under the requests")
	_ = f.Parse(args) // it exits by itself
	return bench(ctx, o)
}

func bench(ctx context.Context, o options) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("processor times are read from /proc, which %s has not", runtime.GOOS)
	}
	d, err := openDatabase(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	fmt.Printf("PostgreSQL %s, %d CPUs, load average at the start %s\n", d.version, runtime.NumCPU(), loadAverage())
	for _, section := range []struct {
		name string
		run  func(context.Context, *database, options) error
	}{{"requests", requests}, {"memory", memory}, {"fairness", fairness}, {"hostile", hostile},
		{"tenants", tenants}, {"together", together}} {
		if !strings.Contains(o.only, section.name) {
			continue
		}
		if err := section.run(ctx, d, o); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	fmt.Printf("\nload average at the end %s\n", loadAverage())
	return nil
}

// serveMoat is moat serve with a profile.
func serveMoat(ctx context.Context, args []string) error {
	if name := os.Getenv(profileEnv); name != "" {
		file, err := os.Create(name)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if code := cli.Main(ctx, args, cli.IO{In: os.Stdin, Out: io.Discard, Err: os.Stderr}); code != 0 {
		return fmt.Errorf("moat serve ended with %d", code)
	}
	return nil
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// verdict reports whether a figure reaches its target.
func verdict(reached bool) string {
	if reached {
		return "reached"
	}
	return "MISSED"
}
