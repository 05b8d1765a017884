// Command tenancy measures what the shapes of tenancy cost, as moat protect makes them from
// a plain schema and a declaration: a leaf of a tree against a database without a tree, and
// a tree, people, orders of two parties and shared boards against hand-written predicates
// over the same rows without row-level security. Statements alternate, and medians count.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/moat-db/moat/internal/postgres"
)

func main() {
	window := flag.Duration("window", 3*time.Second, "time to spend on each line of the table")
	rows := flag.Int("rows", 1_000_000, "leads of all tenants")
	major := flag.Int("major", 0, "major version of PostgreSQL; 0 means the newest that is installed")
	sealed := flag.Bool("sealed", false, "measure sealed mode against plain mode instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *major, *rows, *window, *sealed); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, major, rows int, window time.Duration, sealed bool) error {
	server, err := postgres.Start(ctx, postgres.Options{Major: major, Settings: map[string]string{
		"shared_buffers": "1GB", "max_wal_size": "4GB", "autovacuum": "off", "jit": "off",
		"max_parallel_workers_per_gather": "0", "fsync": "off",
	}})
	if err != nil {
		return err
	}
	defer server.Stop()
	s, err := setUp(ctx, server, rows, sealed)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Printf("PostgreSQL %s, %d leads of 7,153 tenants; load of the machine: %s\n\n", server.Version(), rows,
		load())
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "\t\t%s p50\tmoat p50\tratio\tat most\t\n", s.baseline)
	for _, c := range s.comparisons {
		if err := c.measure(ctx, out, window); err != nil {
			return fmt.Errorf("%s, %s: %w", c.who, c.what, err)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nload at the end: %s\n", load())
	return nil
}

// load is the load average of the last minute, where the system tells.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
