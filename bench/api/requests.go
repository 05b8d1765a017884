package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"
)

// tally is what one server did in all its turns.
type tally struct {
	label    string
	requests int
	wall     time.Duration
	own      time.Duration // processor time of the server
	backends time.Duration // and of its PostgreSQL backends
}

func (t tally) perSecond() float64    { return float64(t.requests) / t.wall.Seconds() }
func (t tally) perCPUSecond() float64 { return float64(t.requests) / (t.own + t.backends).Seconds() }

// micro is a part of the processor time of one request, in microseconds.
func (t tally) micro(part time.Duration) float64 { return 1e6 * part.Seconds() / float64(t.requests) }

// shape is one kind of request.
type shape struct {
	name    string
	request func(*server, caller) []byte
	sql     string // for pgbench
}

func shapes() []shape {
	return []shape{
		{"list of 50", func(s *server, c caller) []byte { return s.list(c) }, listSQL},
		{"point read", func(s *server, c caller) []byte { return s.point(c) }, pointSQL},
	}
}

// requests compares the servers.
func requests(ctx context.Context, d *database, o options) error {
	servers, err := startAll(ctx, d, o)
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	fmt.Printf("\nRequests: %d clients and connections, %d turns of %s each, ES256 tokens of %d callers of %d tenants\n\n",
		o.connections, o.rounds, o.window, len(d.callers), len(d.demo.Clients))
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "shape\tserver\trequests/s\trequests/CPU-s\tserver µs\tPostgreSQL µs\tmoat is\t")
	var missed []string
	for _, sh := range shapes() {
		if err := sameRows(servers, sh, d.callers); err != nil {
			return err
		}
		tallies, err := compare(ctx, d, o, servers, sh)
		if err != nil {
			return fmt.Errorf("%s: %w", sh.name, err)
		}
		missed = append(missed, printTallies(out, sh.name, tallies)...)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Println("\nnet/http and pgx alone send the same statements too, and check, plan, limit, count and log nothing: " +
		"the floor of this stack.")
	fmt.Println("pgbench sends the same statements in the same pipeline; its own processor time counts as a " +
		"server's does.")
	fmt.Println("Targets: 1.8 × the plain handler, 5 × PostGraphile, 0.6 × pgbench, per CPU-second.")
	for _, m := range missed {
		fmt.Println("MISSED:", m)
	}
	return nil
}

// startAll starts the servers, moat first. What was started is returned with an error, too.
func startAll(ctx context.Context, d *database, o options) ([]*server, error) {
	var servers []*server
	for _, start := range []func() (*server, error){
		func() (*server, error) {
			return startMoat(ctx, d, "bench_moat", o.connections, "{requests_per_second: 0, concurrent: 0}",
				profileEnv+"="+o.profile)
		},
		func() (*server, error) {
			return startPlain(ctx, d, "bench_plain", "plain handler", o.connections, false)
		},
		func() (*server, error) {
			return startPlain(ctx, d, "bench_cached", "plain, tokens cached", o.connections, true)
		},
		func() (*server, error) { return startBare(ctx, d, "bench_bare", o.connections) },
		func() (*server, error) { return startPostGraphile(ctx, d, o.connections) },
	} {
		s, err := start()
		if errors.Is(err, errNoNPM) {
			fmt.Println("PostGraphile is left out:", err)
			continue
		}
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

var rowID = regexp.MustCompile(`"(?:id|rowId)":"([0-9a-f-]{36})"`)

// sameRows asks every server for each caller and compares the ids with moat's, so that
// no server is fast by answering something else. It also prepares the statements.
func sameRows(servers []*server, sh shape, callers []caller) error {
	want := make([][]string, len(callers))
	for n, s := range servers {
		c, err := dial(s.address)
		if err != nil {
			return err
		}
		defer c.Close()
		for i, who := range callers {
			var body bytes.Buffer
			status, err := c.send(sh.request(s, who), &body)
			if err != nil || status != 200 {
				return fmt.Errorf("%s, %s: status %d: %w: %.300s %s", s.label, sh.name, status, err, body.String(), s.tail.String())
			}
			var got []string
			for _, m := range rowID.FindAllSubmatch(body.Bytes(), -1) {
				got = append(got, string(m[1]))
			}
			if n == 0 {
				want[i] = got
			}
			if len(got) == 0 || !slices.Equal(got, want[i]) {
				return fmt.Errorf("%s, %s: %d rows that are not moat's %d: %.300s\n%s", s.label, sh.name, len(got), len(want[i]),
					body.String(), s.tail.String())
			}
		}
	}
	return nil
}

// compare lets the servers and pgbench take turns. The first turn warms up.
func compare(ctx context.Context, d *database, o options, servers []*server, sh shape) ([]tally, error) {
	tallies := make([]tally, len(servers), len(servers)+1)
	bench, err := newPgbench(ctx, d, o.connections, sh.sql)
	if err != nil {
		return nil, err
	}
	for round := range o.rounds + 1 {
		for i, s := range servers {
			tallies[i].label = s.label
			if err := turn(ctx, d, o, s, sh, &tallies[i], round > 0); err != nil {
				return nil, err
			}
		}
		if err := bench.turn(ctx, o.window, round > 0); err != nil {
			return nil, err
		}
	}
	return append(tallies, bench.tally), nil
}

func turn(ctx context.Context, d *database, o options, s *server, sh shape, t *tally, counted bool) error {
	l := load{address: s.address, clients: o.connections}
	for _, c := range d.callers {
		l.requests = append(l.requests, sh.request(s, c))
	}
	own, backends, err := s.processorTime(ctx, d.admin)
	if err != nil {
		return err
	}
	got, took, err := l.run(ctx, o.window)
	if err != nil {
		return fmt.Errorf("%s: %w", s.label, err)
	}
	ownAfter, backendsAfter, err := s.processorTime(ctx, d.admin)
	if err != nil {
		return err
	}
	if got[200] != got.total() {
		return fmt.Errorf("%s: answers by status %v: %s", s.label, got, s.tail.String())
	}
	if counted {
		t.requests += got[200]
		t.wall += took
		t.own += ownAfter - own
		t.backends += backendsAfter - backends
	}
	return nil
}

// printTallies prints one shape and returns the targets that were missed.
func printTallies(out *tabwriter.Writer, shape string, tallies []tally) (missed []string) {
	moat := tallies[0].perCPUSecond()
	for i, t := range tallies {
		ratio := "1"
		if i > 0 {
			ratio = fmt.Sprintf("%.2f ×", moat/t.perCPUSecond())
		}
		fmt.Fprintf(out, "%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t\n", shape, t.label, t.perSecond(), t.perCPUSecond(),
			t.micro(t.own), t.micro(t.backends), ratio)
		if least := target(t.label); moat < least*t.perCPUSecond() {
			missed = append(missed, fmt.Sprintf("%s: %s %s", shape, ratio, t.label))
		}
	}
	return missed
}

// target is what moat should reach of a server's requests.
func target(label string) float64 {
	switch label {
	case "plain handler":
		return 1.8
	case "PostGraphile " + postgraphileVersion:
		return 5
	case "pgbench":
		return 0.6
	}
	return 0
}
