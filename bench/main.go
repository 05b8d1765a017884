// Command bench measures tenant-scoped statements against the same statements with a
// hand-written WHERE tenant_id = $1 and no row-level security, interleaved in one run
// over the same rows, and prints a table of ratios.
//
// The baseline connects as a role with BYPASSRLS, so both sides read the same pages
// and differ only in what is measured: the binding and the policy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/moat-db/moat/bench/relay"
	"github.com/moat-db/moat/internal/postgres"
)

func main() {
	window := flag.Duration("window", 1500*time.Millisecond, "time to spend on each cell of the table")
	rows := flag.Int("rows", 1_000_000, "rows of the table")
	tenants := flag.String("tenants", "10,1000,10000", "numbers of tenants to spread the rows over")
	sealed := flag.Bool("sealed", false, "measure sealed mode against plain mode instead")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, strings.Split(*tenants, ","), *rows, *window, *sealed); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, tenants []string, rows int, window time.Duration, sealed bool) error {
	server, err := postgres.Start(ctx, postgres.Options{Settings: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "4GB", "autovacuum": "off", "jit": "off",
		"max_parallel_workers_per_gather": "0", // a count must cost the same on both sides
	}})
	if err != nil {
		return err
	}
	defer server.Stop()
	slow, err := relay.Start("unix", filepath.Join(server.SocketDir(), fmt.Sprintf(".s.PGSQL.%d", server.Port())),
		time.Millisecond)
	if err != nil {
		return err
	}
	defer slow.Close()
	if sealed {
		return runSealed(ctx, server, slow, rows, window)
	}
	fmt.Printf("PostgreSQL %s, %d rows, pgx prepared statements, plan_cache_mode=force_generic_plan on both sides\n\n",
		server.Version(), rows)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "tenants\tshape\tlink\tplain p50\tmoat p50\tratio\tplain p99\tmoat p99\tratio\t")
	for _, text := range tenants {
		tenants, err := strconv.Atoi(text)
		if err != nil || tenants < 1 || tenants > rows {
			return fmt.Errorf("-tenants %s: not a number of tenants", text)
		}
		b, err := setUp(ctx, server, slow, tenants, rows)
		if err != nil {
			return err
		}
		err = b.latencies(ctx, out, window)
		if err == nil {
			err = b.latenciesSQL(ctx, out, window)
		}
		if err == nil {
			err = b.throughputs(ctx, out, window)
		}
		b.close()
		if err != nil {
			return err
		}
	}
	return nil
}
