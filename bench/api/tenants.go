package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// tenantsPool is how many connections each server has.
const tenantsPool = 4

// flat is how much more a request may cost among the most tenants than among the fewest.
const flat = 1.15

// first is how many requests are not counted: they prepare statements.
const first = 40

// passing is one kind of request: it returns what it took, less its preparation.
type passing struct {
	name string
	once func(context.Context, *crowd) (time.Duration, error)
	warm func(context.Context, *crowd) error // before the first; nil for nothing
	many int                                 // in the time of one that asks a database; 0 means one
}

// tenants measures what a request costs beside few other tenants and beside many. The databases
// take turns request by request, so that whatever else the machine does hits all alike.
func tenants(ctx context.Context, d *database, o options) error {
	var crowds []*crowd
	defer func() {
		for _, c := range crowds {
			c.close()
		}
	}()
	for _, text := range strings.Split(o.tenants, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100_000 || n > o.rows {
			return fmt.Errorf("-tenants %s: not a number of tenants up to 100000", text)
		}
		c, err := openCrowd(ctx, d, n, o.rows, tenantsPool)
		if err != nil {
			return fmt.Errorf("%d tenants: %w", n, err)
		}
		crowds = append(crowds, c)
	}
	for _, c := range crowds {
		if err := c.read(ctx); err != nil {
			return fmt.Errorf("%d tenants: %w", c.tenants, err)
		}
	}
	fmt.Printf("\nTenants: %d rows in each database, one request after another, median and 99th percentile\n\n", o.rows)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer out.Flush()
	fmt.Fprint(out, "request\t")
	for _, c := range crowds {
		fmt.Fprintf(out, "%d tenants\t", c.tenants)
	}
	fmt.Fprintf(out, "ratio\tflat within %.0f %%\t\n", 100*(flat-1))
	for _, p := range passings() {
		if err := p.measure(ctx, out, crowds, time.Duration(o.rounds)*o.window); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (p passing) measure(ctx context.Context, out io.Writer, crowds []*crowd, window time.Duration) error {
	if p.warm != nil {
		for _, c := range crowds {
			if err := p.warm(ctx, c); err != nil {
				return err
			}
		}
	}
	took := make([][]time.Duration, len(crowds))
	until := time.Now().Add(window)
	for i := 0; i < 2*first || time.Now().Before(until); i++ {
		for turn := range crowds {
			at := (i + turn) % len(crowds)
			var all time.Duration
			for range max(p.many, 1) {
				one, err := p.once(ctx, crowds[at])
				if err != nil {
					return err
				}
				all += one
			}
			if i >= first {
				took[at] = append(took[at], all/time.Duration(max(p.many, 1)))
			}
		}
	}
	fmt.Fprintf(out, "%s\t", p.name)
	var medians []time.Duration
	for _, all := range took {
		slices.Sort(all)
		medians = append(medians, all[len(all)/2])
		fmt.Fprintf(out, "%.1f, %.1f µs\t", micros(all[len(all)/2]), micros(all[len(all)*99/100]))
	}
	ratio := float64(medians[len(medians)-1]) / float64(medians[0])
	fmt.Fprintf(out, "%.2f\t%s\t\n", ratio, verdict(ratio <= flat))
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func passings() []passing {
	return []passing{
		{name: "PostgreSQL, one row by its key", once: plainly(byKey, (*crowd).key)},
		{name: "library, one row by its key", once: library(byKey, (*crowd).key)},
		{name: "PostgreSQL, 20 rows by time", once: plainly(byTime, (*crowd).when)},
		{name: "library, 20 rows by time", once: library(byTime, (*crowd).when)},
		{name: "PostgreSQL, a write", once: plainly(write, (*crowd).key)},
		{name: "library, a write", once: library(write, (*crowd).key)},
		{name: "API, one row by its key", once: overHTTP(func(c *crowd) []byte {
			return c.ask(c.callers[rand.IntN(busy)], fmt.Sprintf("id=eq.%d", rand.IntN(c.each)))
		})},
		{name: "API, 20 rows by time", once: overHTTP(func(c *crowd) []byte {
			return c.ask(c.callers[rand.IntN(busy)], c.recent())
		})},
		{name: "API, one of 20,000 callers", warm: everyCaller, once: overHTTP(func(c *crowd) []byte {
			return c.ask(c.all[rand.IntN(len(c.all))], fmt.Sprintf("id=eq.%d", rand.IntN(c.each)))
		})},
		{name: "gate", warm: everyTenant, once: throughGate, many: 50},
		{name: "a map of all tenants", once: looked, many: 200},
		{name: "admission, remembered", warm: everyMember, once: presumed, many: 200},
		{name: "admission, asked", once: admitted},
		{name: "portal, a record", once: overHTTP(func(c *crowd) []byte {
			return c.page(fmt.Sprintf("/t/leads/r/%d", rand.IntN(c.each)))
		})},
		{name: "portal, a list", once: overHTTP(func(c *crowd) []byte { return c.page("/t/leads") })},
	}
}

// The statements, with a place for what a hand-written one says of the tenant.
const (
	byKey  = "SELECT name FROM app.leads WHERE %s id = $1"
	byTime = "SELECT name FROM app.leads WHERE %s created_at < $1 ORDER BY created_at DESC LIMIT 20"
	write  = "UPDATE app.leads SET state = 'seen' WHERE %s id = $1 RETURNING name"
)

func (c *crowd) key() any  { return rand.IntN(c.each) }
func (c *crowd) when() any { return c.moment() }

func (c *crowd) random() moat.Tenant { return tenantOf(rand.IntN(c.tenants)) }

func (c *crowd) moment() time.Time {
	return time.Date(2026, 1, 1, 0, 0, rand.IntN(c.each*c.tenants), 0, time.UTC)
}

func (c *crowd) recent() string {
	return "created_at=lt." + c.moment().Format("2006-01-02T15:04:05Z") + "&order=created_at.desc&limit=20"
}

func (c *crowd) ask(who caller, filter string) []byte {
	return text("GET", "/rest/v1/leads?select=id,name,state,created_at&"+filter, who.token, "")
}

func (c *crowd) page(path string) []byte {
	return fmt.Appendf(nil, "GET /portal%s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", path, c.server.address,
		c.cookies[rand.IntN(len(c.cookies))])
}

// plainly runs a statement that names the tenant, as who is bound by no policy.
func plainly(sql string, argument func(*crowd) any) func(context.Context, *crowd) (time.Duration, error) {
	sql = fmt.Sprintf(sql, "tenant_id = $2 AND")
	return func(ctx context.Context, c *crowd) (time.Duration, error) {
		tenant, arg := string(c.random()), argument(c)
		start := time.Now()
		rows, err := c.plain.Query(ctx, sql, arg, tenant)
		if err != nil {
			return 0, err
		}
		rows.Close()
		return time.Since(start), rows.Err()
	}
}

func library(sql string, argument func(*crowd) any) func(context.Context, *crowd) (time.Duration, error) {
	sql = fmt.Sprintf(sql, "")
	return func(ctx context.Context, c *crowd) (time.Duration, error) {
		ctx, arg := moat.WithScope(ctx, moat.Scope{Tenant: c.random()}), argument(c)
		start := time.Now()
		rows, err := c.db.Query(ctx, sql, arg)
		if err != nil {
			return 0, err
		}
		rows.Close()
		return time.Since(start), rows.Err()
	}
}

// overHTTP sends requests over one connection for each server.
func overHTTP(request func(*crowd) []byte) func(context.Context, *crowd) (time.Duration, error) {
	connections := map[*crowd]*connection{}
	return func(_ context.Context, c *crowd) (time.Duration, error) {
		if connections[c] == nil {
			one, err := dial(c.server.address)
			if err != nil {
				return 0, err
			}
			connections[c] = one
		}
		text, body := request(c), bytes.Buffer{}
		start := time.Now()
		status, err := connections[c].send(text, &body)
		took := time.Since(start)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%.60s: status %d: %.300s", text, status, body.String())
		}
		return took, err
	}
}

// everyCaller has each caller ask once.
func everyCaller(_ context.Context, c *crowd) error {
	one, err := dial(c.server.address)
	if err != nil {
		return err
	}
	defer one.Close()
	for _, who := range c.all {
		if status, err := one.send(c.ask(who, "id=eq.0"), io.Discard); err != nil || status != http.StatusOK {
			return fmt.Errorf("status %d: %w", status, err)
		}
	}
	return nil
}

func everyTenant(ctx context.Context, c *crowd) error {
	for i := range c.tenants {
		if _, err := c.pass(ctx, tenantOf(i)); err != nil {
			return err
		}
	}
	return nil
}

func throughGate(ctx context.Context, c *crowd) (time.Duration, error) {
	return c.pass(ctx, c.random())
}

func (c *crowd) pass(ctx context.Context, t moat.Tenant) (time.Duration, error) {
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	r.Header.Set("Tenant", string(t))
	w := httptest.NewRecorder()
	start := time.Now()
	c.gate.ServeHTTP(w, r)
	took := time.Since(start)
	if w.Code != http.StatusOK {
		return 0, fmt.Errorf("status %d: %s", w.Code, w.Body)
	}
	return took, nil
}

func member(t moat.Tenant) serving.Caller {
	return serving.Caller{Scope: moat.Scope{Tenant: t, Subject: "caller"}}
}

// everyMember has the door ask for each tenant's member once.
func everyMember(ctx context.Context, c *crowd) error {
	for i := range c.tenants {
		if _, err := c.door.Presume(ctx, c.check, member(tenantOf(i))); err != nil {
			return err
		}
	}
	return nil
}

// looked looks a tenant up among all, which no memory of them can do without.
func looked(_ context.Context, c *crowd) (time.Duration, error) {
	if c.tenantNumbers == nil {
		c.tenantNumbers = map[moat.Tenant]int{}
		for i := range c.tenants {
			c.tenantNumbers[tenantOf(i)] = i
		}
	}
	t := c.random()
	start := time.Now()
	_, there := c.tenantNumbers[t]
	took := time.Since(start)
	if !there {
		return 0, fmt.Errorf("no tenant %s", t)
	}
	return took, nil
}

func presumed(ctx context.Context, c *crowd) (time.Duration, error) {
	who := member(c.random())
	start := time.Now()
	_, err := c.door.Presume(ctx, c.check, who)
	return time.Since(start), err
}

func admitted(ctx context.Context, c *crowd) (time.Duration, error) {
	who := member(c.random())
	start := time.Now()
	_, err := c.door.Admit(ctx, c.check, who)
	return time.Since(start), err
}
