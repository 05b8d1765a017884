package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/telemetry"
)

func TestProxyCheck(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	yaml := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))))
	if code, _, errs := run(t, "proxy", "--check", "--config", yaml, "--app-url", d.As(t, role)); code != exitOK {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if code, _, errs := run(t, "proxy", "--check", "--config", yaml, "--app-url", d.URL); code != exitError ||
		!strings.Contains(errs, "superuser") {
		t.Errorf("a superuser may serve: exit code %d: %s", code, errs)
	}
}

// The proxy admits whom serve admits: tokens of moat token, tenants that are there and
// not suspended.
func TestProxyServes(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestOneDoor, and the proxy's own
	d, role := leadsDatabase(t)
	d.Exec(t, "alter table tenants add suspended boolean not null default false; grant select on tenants to "+role)
	yaml := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32)))+
		"\nproxy: {services: [backend]}\n")
	c, err := config.Load(yaml)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openProxyService(t.Context(), &service{config: c, appURL: d.As(t, role), log: slog.New(slog.DiscardHandler),
		reread: func() (config.Config, error) { return config.Load(yaml) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	l, err := listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.serveProxy(ctx, l) }()
	database, err := pgconn.ParseConfig(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	connect := func(who ...string) (*pgx.Conn, error) {
		_, token, _ := run(t, append([]string{"token", "--config", yaml}, who...)...)
		return pgx.Connect(t.Context(), fmt.Sprintf("postgres://app:%s@%s/%s?sslmode=disable", strings.TrimSpace(token),
			l.Addr(),
			database.Database))
	}
	a, err := connect("--tenant", "11111111-1111-1111-1111-111111111111")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(context.Background())
	var name string
	if err := a.QueryRow(t.Context(), "select name from leads").Scan(&name); err != nil || name != "a" {
		t.Errorf("A reads %q, %v", name, err)
	}
	if _, err := connect("--tenant", "33333333-3333-3333-3333-333333333333"); refusedWith(err) != "28000" {
		t.Errorf("an unknown tenant: %v", err)
	}
	if _, err := connect("--service", "another"); refusedWith(err) != "28P01" {
		t.Errorf("a service that is not listed: %v", err)
	}
	pool, err := connect("--service", "backend")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close(context.Background())
	_, token, _ := run(t, "token", "--config", yaml, "--tenant", "11111111-1111-1111-1111-111111111111")
	for _, sql := range []string{"begin", "set local moat.tenant_token = '" + strings.TrimSpace(token) + "'"} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := pool.QueryRow(t.Context(), "select name from leads").Scan(&name); err != nil || name != "a" {
		t.Errorf("A reads %q, %v in a pool", name, err)
	}
	if err := os.WriteFile(yaml, []byte("proxy: {services: [backend"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reload(t.Context())
	if _, err := pool.Exec(t.Context(), "rollback"); err != nil {
		t.Errorf("a moat.yaml that cannot be read: %v", err)
	}
	if err := os.WriteFile(yaml, []byte("proxy: {services: [another]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reload(t.Context())
	for deadline := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(deadline); {
		_, err = pool.Exec(t.Context(), "select 1")
	}
	if refusedWith(err) != "28000" {
		t.Errorf("a service that is not listed any more: %v", err)
	}
	d.Exec(t, "update tenants set suspended = true")
	deadline := time.Now().Add(10 * time.Second)
	for err = nil; err == nil && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		err = a.QueryRow(t.Context(), "select name from leads").Scan(&name)
	}
	if refusedWith(err) != "28000" {
		t.Errorf("a suspended tenant reads on: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func refusedWith(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// named keeps the names of the metrics that it is asked for.
type named struct {
	telemetry.Discard
	all []string
}

func (n *named) Counter(name, _ string, _ ...string) func(...string) func(float64) {
	n.all = append(n.all, name)
	return n.Discard.Counter("", "")
}

func (n *named) Gauge(name, _ string, _ func() (float64, bool)) { n.all = append(n.all, name) }

// The help of moat proxy names each metric.
func TestProxyHelpNamesItsMetrics(t *testing.T) {
	t.Parallel()
	meter := &named{}
	p, err := proxy.New(proxy.Config{Server: &pgconn.Config{}, Options: &moat.Options{}, Meter: meter,
		Verify: func(context.Context, string, string) (proxy.Caller, error) { return proxy.Caller{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	_, help, _ := run(t, "proxy", "--help")
	for _, name := range meter.all {
		if !strings.Contains(help, name) {
			t.Errorf("%s is not named", name)
		}
	}
	if len(meter.all) == 0 {
		t.Error("no metrics")
	}
}
