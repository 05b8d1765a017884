package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	hostileConns = 40 // of all hostile tenants together
	hostileLimit = 150 << 20
)

const hostileConfiguration = configuration + "portal: {paste_tokens: true}\n"

// attack is what hostile tenants do over all their connections, all the time.
type attack struct {
	name    string
	request func(token, cookie string) []byte
	half    bool // the request never ends
	deaf    bool // no answer is read
}

func attacks() []attack {
	get := func(path string) func(token, cookie string) []byte {
		return func(token, _ string) []byte { return text("GET", path, token, "") }
	}
	page := func(method, path, body string) func(_, cookie string) []byte {
		return func(_, cookie string) []byte {
			return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: %s\r\nContent-Type: "+
				"application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", method, path, cookie, len(body), body)
		}
	}
	return []attack{
		{name: "lists of 1,000", request: get("/rest/v1/leads?order=created_at.desc&limit=1000")},
		{name: "single rows", request: get("/rest/v1/leads?limit=1")},
		{name: "slow conditions", request: get("/rest/v1/leads?name=imatch.(a*)*b.*c&email=imatch.(x*)*y&limit=1")},
		{name: "exports", request: page("GET", "/portal/t/leads/export", "")},
		{name: "pages", request: page("GET", "/portal/dashboard", "")},
		{name: "/readyz", request: get("/readyz")},
		{name: "sign-ins", request: func(token, _ string) []byte {
			return page("POST", "/portal/sign-in", url.Values{"token": {token}}.Encode())("", "")
		}},
		{name: "foreign tokens", request: func(token, _ string) []byte {
			return text("GET", "/rest/v1/leads?limit=1", token[:len(token)-8]+"AAAAAAAA", "")
		}},
		{name: "bodies that do not end", half: true, request: func(token, _ string) []byte {
			return fmt.Appendf(nil, "POST /rest/v1/leads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "+
				"application/json\r\nContent-Length: 1000\r\n\r\n[", token)
		}},
		{name: "answers nobody reads", deaf: true, request: get("/rest/v1/leads?limit=1000")},
	}
}

// hostile measures what two hostile tenants cost a third one. Time alone and time beside them
// alternate, so that the machine's other work is in both. They yield the processor to the
// server, as clients on another machine would.
func hostile(ctx context.Context, d *database, o options) error {
	s, err := startMoatOn(ctx, d, "bench_hostile", d.url("bench_hostile"), fmt.Sprintf(hostileConfiguration, issuer,
		audience, d.key, 0, "{requests_per_second: 0}"))
	if err != nil {
		return err
	}
	defer s.stop()
	fmt.Printf("\nHostile tenants: two of them, %d connections, no rate limit; a third asks %d times a second\n\n",
		hostileConns, normalRate)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "they send\tp50 alone\tbeside\tp99 alone\tbeside\tp99 is\tat most 2 ×\tanswers to them\t")
	for _, a := range attacks() {
		if o.attack != "" && a.name != o.attack {
			continue
		}
		if err := beside(ctx, d, s, o, a, out); err != nil {
			return fmt.Errorf("%s: %w", a.name, errors.Join(err, out.Flush()))
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	peak, err := memoryOf(s.cmd.Process.Pid, "VmHWM")
	if err == nil {
		fmt.Printf("resident at most %s; below %s: %s\n", megabytes(peak), megabytes(hostileLimit),
			verdict(peak < hostileLimit))
	}
	return err
}

// beside measures one attack. The first round warms up.
func beside(ctx context.Context, d *database, s *server, o options, a attack, out io.Writer) error {
	normal := d.callers[2]
	var alone, under []time.Duration
	sum := counts{}
	for round := range o.rounds + 1 {
		quiet, err := paced(ctx, s.address, s.point(normal), o.window)
		if err != nil {
			return err
		}
		p, err := startAttacker(ctx, true, []string{d.callers[0].token, d.callers[1].token}, "hostile", "-address", s.address,
			"-attack", a.name)
		if err != nil {
			return err
		}
		_, warm := paced(ctx, s.address, s.point(normal), o.window/4)
		busy, err := paced(ctx, s.address, s.point(normal), o.window)
		got, stopped := p.stop()
		if err := errors.Join(warm, err, stopped); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond) // until the server has noticed
		if round == 0 {
			continue
		}
		alone, under = append(alone, quiet...), append(under, busy...)
		for status, n := range got {
			sum[status] += n
		}
	}
	before, after := percentile(alone, 99), percentile(under, 99)
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%.2f ×\t%s\t%v\t\n", a.name, percentile(alone, 50),
		percentile(under, 50), before, after, float64(after)/float64(before), verdict(after <= 2*before), map[int]int(sum))
	return nil
}

// beHostile attacks until it is told to stop, and prints how often it got which status.
func beHostile(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("hostile", flag.ExitOnError)
	address, name := f.String("address", "", ""), f.String("attack", "", "")
	_ = f.Parse(args) // it exits by itself
	all := attacks()
	a := all[slices.IndexFunc(all, func(a attack) bool { return a.name == *name })]
	var requests [][]byte
	for _, token := range strings.Fields(os.Getenv("BENCH_TOKEN")) {
		cookie, err := signIn(*address, token)
		if err != nil {
			return err
		}
		requests = append(requests, a.request(token, cookie))
	}
	fmt.Println("begins")
	var mu sync.Mutex
	var clients sync.WaitGroup
	sum := counts{}
	for i := range hostileConns {
		clients.Go(func() {
			for status, n := range a.client(ctx, *address, requests[i%len(requests)]) {
				mu.Lock()
				sum[status] += n
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	for status, n := range sum {
		fmt.Println(status, n)
	}
	return nil
}

// signIn signs in to the portal and returns the cookie.
func signIn(address, token string) (string, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm("http://"+address+"/portal/sign-in", url.Values{"token": {token}})
	if err != nil {
		return "", err
	}
	answer.Body.Close()
	if len(answer.Cookies()) == 0 {
		return "", fmt.Errorf("sign-in to the portal: %s", answer.Status)
	}
	return answer.Cookies()[0].Name + "=" + answer.Cookies()[0].Value, nil
}

// client attacks over one connection at a time.
func (a attack) client(ctx context.Context, address string, request []byte) counts {
	got := counts{}
	for ctx.Err() == nil {
		c, err := dial(address)
		if err != nil {
			got[-1]++
			time.Sleep(10 * time.Millisecond)
			continue
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		a.connection(ctx, c, request, got)
		stop()
		c.Close()
	}
	return got
}

// connection sends requests until the connection ends.
func (a attack) connection(ctx context.Context, c *connection, request []byte, got counts) {
	if a.deaf {
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(4096)
	}
	for ctx.Err() == nil {
		if a.half || a.deaf {
			if _, err := c.Write(request); err != nil {
				return
			}
			// The server ends it, or the end of the attack does.
			if a.half {
				_, _ = c.in.ReadByte()
			} else {
				<-ctx.Done()
			}
			return
		}
		status, err := c.send(request, io.Discard)
		if err != nil {
			return
		}
		got[status]++
	}
}
