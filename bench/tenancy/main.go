// Command tenancy measures what the shapes of tenancy cost, as moat protect makes them from
// a plain schema and a declaration: a leaf of a tree against a database without a tree, and
// a tree, people, orders of two parties and shared boards against hand-written predicates
// over the same rows without row-level security. Statements alternate, and medians count.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/moat-db/moat/internal/postgres"
)

// errMissed: some ratio is above what is promised.
var errMissed = errors.New("a ratio is above what is promised")

func main() {
	window := flag.Duration("window", 4*time.Second, "time to spend on each line of the table")
	rows := flag.Int("rows", 1_000_000, "leads of all tenants")
	majors := flag.String("majors", "15,18", "major versions of PostgreSQL, one after the other")
	sealed := flag.Bool("sealed", false, "measure sealed mode against plain mode instead")
	only := flag.String("only", "", "the lines to measure, as they begin; all without it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := 0
	for _, major := range strings.Split(*majors, ",") {
		n, err := strconv.Atoi(major)
		if err == nil {
			err = run(ctx, n, *rows, *window, *sealed, *only)
		}
		if errors.Is(err, errMissed) {
			code = 1 // the other versions are measured too
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			stop()
			os.Exit(1)
		}
	}
	stop()
	os.Exit(code)
}

func run(ctx context.Context, major, rows int, window time.Duration, sealed bool, only string) error {
	server, err := postgres.Start(ctx, postgres.Options{Major: major, Download: true, Settings: map[string]string{
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
	fmt.Fprintf(out, "\t\t%s p50\tmoat p50\tratio\tat most\t\t\n", s.baseline)
	var missed []string
	for _, c := range s.comparisons {
		if !strings.HasPrefix(c.who+" "+c.what, only) {
			continue
		}
		kept, err := c.measure(ctx, out, window, s.fresh)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.who, c.what, err)
		}
		if !kept {
			missed = append(missed, c.who+" "+c.what)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nload at the end: %s\n\n", load())
	if len(missed) > 0 {
		fmt.Printf("above what is promised: %s\n\n", strings.Join(missed, "; "))
		return errMissed
	}
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
