package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	tenantLimit = 100 // requests per second
	normalRate  = 80
	greedyRate  = 20 * tenantLimit
	greedyConns = 120
)

// fairness measures what a tenant at 20 times its limit costs another one. Time alone
// and time under that load alternate, so that the machine's other work is in both.
func fairness(ctx context.Context, d *database, o options) error {
	s, err := startMoat(ctx, d, "bench_fairness", o.connections, fmt.Sprintf("{requests_per_second: %d}", tenantLimit))
	if err != nil {
		return err
	}
	defer s.stop()
	greedy, normal := d.callers[0], d.callers[1]
	var alone, beside []time.Duration
	var refused, asked int
	var greed time.Duration
	for round := range o.rounds + 1 { // the first round warms up
		quiet, err := paced(ctx, s.address, s.list(normal), 2*o.window)
		if err != nil {
			return err
		}
		g, err := startAttacker(ctx, false, []string{greedy.token}, "greedy", "-address", s.address)
		if err != nil {
			return err
		}
		began := time.Now()
		busy, err := paced(ctx, s.address, s.list(normal), 2*o.window)
		got, stopped := g.stop()
		took := time.Since(began)
		if err := errors.Join(err, stopped); err != nil {
			return err
		}
		if round == 0 {
			continue
		}
		alone, beside = append(alone, quiet...), append(beside, busy...)
		refused, asked, greed = refused+got[429], asked+got.total(), greed+took
	}
	a, b := percentile(alone, 99), percentile(beside, 99)
	fmt.Printf("\nFairness: a limit of %d requests a second; one tenant asks %.0f times a second (%d are meant) and is "+
		"refused in %.0f %% of them, the other asks %d times and never is\n",
		tenantLimit, float64(asked)/greed.Seconds(), greedyRate, 100*float64(refused)/float64(asked), normalRate)
	fmt.Printf("p50 alone %s, beside the greedy one %s\n", percentile(alone, 50), percentile(beside, 50))
	fmt.Printf("p99 alone %s, beside the greedy one %s, %.2f ×; at most 2 ×: %s (%d requests each)\n", a, b,
		float64(b)/float64(a), verdict(b <= 2*a), len(alone))
	return nil
}

func percentile(took []time.Duration, p int) time.Duration {
	slices.Sort(took)
	return took[len(took)*p/100].Round(time.Microsecond)
}

// paced sends one request after another at the normal tenant's rate.
func paced(ctx context.Context, address string, request []byte, window time.Duration) ([]time.Duration, error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var took []time.Duration
	tick := time.NewTicker(time.Second / normalRate)
	defer tick.Stop()
	for range int(window.Seconds() * normalRate) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		start := time.Now()
		status, err := c.send(request, io.Discard)
		if err != nil {
			return nil, err
		}
		if status != 200 {
			return nil, fmt.Errorf("the normal tenant got status %d", status)
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// attacker is what greedy or hostile tenants do, in a process of its own: it must not slow
// down the one that measures.
type attacker struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// startAttacker runs this program as another command of itself, with tokens; yielding, it leaves
// the processor to the server.
func startAttacker(ctx context.Context, yielding bool, tokens []string, args ...string) (*attacker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := append([]string{self}, args...)
	env := append(os.Environ(), "BENCH_TOKEN="+strings.Join(tokens, " "))
	if yielding {
		command, env = append([]string{"nice", "-n", "19"}, command...), append(env, "GOMAXPROCS=1")
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env, cmd.Stderr = env, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	a := &attacker{cmd, bufio.NewReader(out)}
	_, err = a.out.ReadString('\n') // that it begins; before, it would be ended by a signal it does not expect
	return a, err
}

func (a *attacker) stop() (counts, error) {
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return nil, err
	}
	got, status, n := counts{}, 0, 0
	for {
		if _, err := fmt.Fscanln(a.out, &status, &n); err != nil {
			break // the end of the list
		}
		got[status] = n
	}
	return got, a.cmd.Wait()
}

// beGreedy asks at 20 times the limit until it is told to stop, and prints how often it
// got which status.
func beGreedy(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("greedy", flag.ExitOnError)
	address := f.String("address", "", "")
	_ = f.Parse(args) // it exits by itself
	request := text("GET", "/rest/v1/leads?select="+columns+"&order=created_at.desc&limit=50",
		os.Getenv("BENCH_TOKEN"), "")
	fmt.Println("begins")
	all := make(chan counts)
	for range greedyConns {
		go func() { all <- greedyClient(ctx, *address, request) }()
	}
	sum := counts{}
	for range greedyConns {
		for status, n := range <-all {
			sum[status] += n
		}
	}
	for status, n := range sum {
		fmt.Println(status, n)
	}
	return nil
}

func greedyClient(ctx context.Context, address string, request []byte) counts {
	got := counts{}
	c, err := dial(address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "greedy:", err)
		return got
	}
	defer c.Close()
	const every = time.Second * greedyConns / greedyRate
	time.Sleep(rand.N(every)) // or all connections would ask at the same moment
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return got
		case <-tick.C:
		}
		status, err := c.send(request, io.Discard)
		if err != nil {
			fmt.Fprintln(os.Stderr, "greedy:", err)
			return got
		}
		got[status]++
	}
}
