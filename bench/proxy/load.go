package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/bench/relay"
)

var processed = regexp.MustCompile(`transactions actually processed: (\d+)`)
var rate = regexp.MustCompile(`tps = ([0-9.]+) \(without`)

// turn runs pgbench against a target once.
func (b *bench) turn(ctx context.Context, t target) (turn, error) {
	before, err := b.used(ctx, t.pid)
	if err != nil {
		return turn{}, err
	}
	cmd := exec.CommandContext(ctx, b.pgbench, "--no-vacuum", "--protocol=prepared", "--jobs=1", "--file="+t.script,
		fmt.Sprintf("--client=%d", b.options.clients), fmt.Sprintf("--time=%d", b.options.seconds), t.url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return turn{}, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	time.Sleep(100 * time.Millisecond) // the last backends are on their way out
	after, err := b.used(ctx, t.pid)
	if err != nil {
		return turn{}, err
	}
	count, tps := processed.FindSubmatch(out), rate.FindSubmatch(out)
	if count == nil || tps == nil {
		return turn{}, fmt.Errorf("pgbench printed no rate: %s", out)
	}
	n, err := strconv.Atoi(string(count[1]))
	if err != nil || n == 0 {
		return turn{}, fmt.Errorf("pgbench processed %q", count[1])
	}
	perSecond, err := strconv.ParseFloat(string(tps[1]), 64)
	between, server := after[0]-before[0], after[1]-before[1]
	client := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return turn{perSecond, between / time.Duration(n), (client + between + server) / time.Duration(n)}, err
}

// used is the processor time of a process, and of the application role's backends, those
// that have ended among them.
func (b *bench) used(ctx context.Context, pid int) (out [2]time.Duration, err error) {
	if out[0], err = processTime(pid); err != nil {
		return out, err
	}
	rows, _ := b.admin.Query(ctx, "select pid from pg_stat_activity where usename = 'app'")
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return out, err
	}
	if out[1], err = times(b.postmaster, 13); err != nil {
		return out, err
	}
	for _, pid := range pids {
		own, err := processTime(pid)
		if err != nil {
			return out, err
		}
		out[1] += own
	}
	return out, nil
}

// processTime is the user and system time of a process.
func processTime(pid int) (time.Duration, error) { return times(pid, 11) }

// times adds up two fields of /proc/PID/stat, counted from the third (proc(5)): 11 for the
// process, 13 for its children that have ended. Process 0 has used none.
func times(pid, field int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, f := range fields[field : field+2] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * 10 * time.Millisecond // the kernel's interface fixes the tick
	}
	return total, nil
}

// stat is the fields of /proc/PID/stat from the third on.
func stat(pid int) ([][]byte, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]), nil
}

func parentOf(pid int) (int, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(fields[1]))
}

// latency is the median time of a read with a millisecond of network between the client
// and what it talks to.
func (b *bench) latency(ctx context.Context) error {
	medians := map[string]time.Duration{}
	for _, t := range b.targets {
		if t.name != "direct" && t.pid == 0 {
			continue
		}
		config, err := pgx.ParseConfig(t.url)
		if err != nil {
			return err
		}
		from, address := network(&config.Config)
		slow, err := relay.Start(from, address, time.Millisecond)
		if err != nil {
			return err
		}
		defer slow.Close()
		far, err := pgx.ParseConfig(slow.URL(config.Database, config.User))
		if err != nil {
			return err
		}
		far.Password = config.Password
		if medians[t.name], err = median(ctx, far); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	fmt.Println("one client, 1 ms of network, median of a read")
	for _, t := range b.targets {
		if m := medians[t.name]; m > 0 {
			fmt.Printf("  %-24s %8v  %5.2f × direct\n", t.name, m.Round(time.Microsecond),
				float64(m)/float64(medians["direct"]))
		}
	}
	return nil
}

func median(ctx context.Context, c *pgx.ConnConfig) (time.Duration, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	times := make([]time.Duration, 1000)
	for i := range times {
		start := time.Now()
		var name string
		if err := conn.QueryRow(ctx, "select name from leads where id = $1", i+1).Scan(&name); err != nil {
			return 0, err
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
