package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// doors is one database served by everything that serves.
type doors struct {
	t       *testing.T
	yaml    string
	service *service
	proxy   string // its address
	dbname  string
	url     string // the operator's
}

// newDoors protects a database that has no column to suspend tenants by, and serves it with more
// lines of moat.yaml.
func newDoors(t *testing.T, sealed bool, more ...string) *doors {
	t.Helper()
	d := pgtest.NewCluster(t, postgres.Options{}).New(t)
	d.Exec(t, fmt.Sprintf(`create role moat_app login;
		create table tenants (id uuid primary key, name text);
		insert into tenants values ('%[1]s', 'A'), ('%[2]s', 'B');
		create table docs (tenant_id uuid not null references tenants, id int, title text, primary key (tenant_id, id));
		insert into docs values ('%[1]s', 1, 'of A'), ('%[2]s', 2, 'of B');
		grant select, insert, update, delete on docs to moat_app; grant select on tenants to moat_app`, sealTenantA,
		sealTenantB))
	text := strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))) +
		"\nportal: {paste_tokens: true}\nproxy: {services: [backend]}\n" + strings.Join(more, "\n")
	args := []string{"--apply", "--until", "guards"}
	if sealed {
		text += "\nsealed: {enabled: true, key_file: " + filepath.Join(t.TempDir(), "seal.key") + "}"
		args = append(args, "--sealed")
	}
	s := &doors{t: t, yaml: write(t, "moat.yaml", text)}
	if code, _, errs := run(t, append([]string{"protect", "--config", s.yaml, d.URL}, args...)...); code != exitOK {
		t.Fatalf("protect: %d %s", code, errs)
	}
	c, err := config.Load(s.yaml)
	if err != nil {
		t.Fatal(err)
	}
	open := func(open func(context.Context, *service) (*service, error)) *service {
		made, err := open(t.Context(), &service{config: c, appURL: d.As(t, "moat_app"), log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(made.close)
		return made
	}
	s.service = open(openService)
	s.listen(open(openProxyService))
	parsed, err := pgx.ParseConfig(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.dbname = d.URL, parsed.Database
	return s
}

// listen serves the proxy until the test ends.
func (s *doors) listen(through *service) {
	l, err := listen("127.0.0.1:0", false)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- through.serveProxy(ctx, l) }()
	s.t.Cleanup(func() { stop(); <-done })
	s.proxy = l.Addr().String()
}

// operate runs moat tenant as the operator.
func (s *doors) operate(want string, args ...string) {
	s.t.Helper()
	args = append([]string{"tenant", args[0], args[1], s.url, "--config", s.yaml, "--reason", "a bill"}, args[2:]...)
	if args[1] != "show" {
		args = append(args, "--apply")
	}
	if code, out, errs := run(s.t, args...); code != exitOK || !strings.Contains(out, want) {
		s.t.Fatalf("%v: %d %s%s, want %q", args, code, out, errs, want)
	}
}

func (s *doors) connect(tenant string) (*pgx.Conn, error) {
	_, token, _ := run(s.t, "token", "--config", s.yaml, "--tenant", tenant)
	return pgx.Connect(s.t.Context(), fmt.Sprintf("postgres://app:%s@%s/%s?sslmode=disable", strings.TrimSpace(token),
		s.proxy, s.dbname))
}

// within is what "at once" means to everything that serves.
const within = time.Second

// TestStanding suspends a tenant where no column does, and limits one, and looks at all that
// serves within a second.
func TestStanding(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the suspensions of api's, portal's and proxy's own tests
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDoors(t, sealed)
			s.learns()
			s.suspends()
			s.limits()
		})
	}
}

// learns has everything meet the first suspension of a database: it makes the table, so what
// serves reads the schema again, which takes a busy machine more than a second.
func (s *doors) learns() {
	t := s.t
	t.Helper()
	token := doorToken(t, sealTenantA, "ann", "")
	until := func(status int, code string) {
		for range 150 {
			api, _ := s.service.viaAPI(token)
			conn, err := s.connect(sealTenantA)
			if err == nil {
				_ = conn.Close(t.Context()) // it was only asked for
			}
			if api == status && refusedWith(err) == code {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatalf("the first suspension or its end does not act: want %d", status)
	}
	s.operate("is suspended", "suspend", sealTenantA)
	until(http.StatusForbidden, "28000")
	s.operate("is active", "resume", sealTenantA)
	until(http.StatusOK, "")
}

func (s *doors) suspends() {
	t, ctx := s.t, s.t.Context()
	t.Helper()
	token, other := doorToken(t, sealTenantA, "ann", ""), doorToken(t, sealTenantB, "bob", "")
	_, cookie := s.service.signIn(token)
	conn, err := s.connect(sealTenantA)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	look := func(want int, code string) {
		t.Helper()
		api, body := s.service.viaAPI(token)
		portal, _ := s.service.viaPortal(cookie)
		var n int
		err := conn.QueryRow(ctx, "select count(*) from docs").Scan(&n)
		if api != want || portal != want || refusedWith(err) != code {
			t.Errorf("API %d %s, portal %d, proxy %v, %d rows; want %d", api, body, portal, err, n, want)
		}
		if api, body := s.service.viaAPI(other); api != 200 || !strings.Contains(body, "of B") {
			t.Errorf("another tenant: %d %s", api, body)
		}
	}
	look(http.StatusOK, "")
	s.operate("is suspended", "suspend", sealTenantA)
	time.Sleep(within)
	look(http.StatusForbidden, "28000")
	if _, err := s.connect(sealTenantA); refusedWith(err) != "28000" {
		t.Errorf("a new connection: %v", err)
	}
	s.operate("suspended", "show", sealTenantA)
	s.operate("is active", "resume", sealTenantA)
	time.Sleep(within)
	if conn, err = s.connect(sealTenantA); err != nil { // a suspension ends connections
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	look(http.StatusOK, "")
}

func (s *doors) limits() {
	t := s.t
	t.Helper()
	token, other := doorToken(t, sealTenantA, "ann", ""), doorToken(t, sealTenantB, "bob", "")
	_, cookie := s.service.signIn(token)
	statuses := func(token string, cookie *http.Cookie) map[int]int {
		all := map[int]int{}
		for range 12 {
			status, _ := s.service.viaAPI(token)
			if cookie != nil {
				status, _ = s.service.viaPortal(cookie)
			}
			all[status]++
		}
		return all
	}
	set := func(want string, flags ...string) {
		t.Helper()
		s.operate(want, append([]string{"limit", sealTenantA}, flags...)...)
		time.Sleep(within)
		s.service.viaAPI(token) // the one that finds out
	}
	set("requests a second 0.5, burst 2, proxy connections 1", "--requests-per-second", "0.5", "--burst", "2",
		"--connections", "1")
	if got := statuses(token, nil); got[http.StatusTooManyRequests] < 9 {
		t.Errorf("API: %v", got)
	}
	if got := statuses(token, cookie); got[http.StatusTooManyRequests] < 9 {
		t.Errorf("portal: %v", got)
	}
	if got := statuses(other, nil); got[http.StatusOK] != 12 {
		t.Errorf("another tenant: %v", got)
	}
	if n := s.connections(sealTenantA); n != 1 {
		t.Errorf("%d connections through the proxy at once", n)
	}
	if n := s.connections(sealTenantB); n != 3 {
		t.Errorf("another tenant: %d connections", n)
	}
	if code, _, errs := run(t, "tenant", "limit", sealTenantA, s.url, "--burst", "-1", "--reason", "x", "--apply",
		"--config", s.yaml); code != exitError || !strings.Contains(errs, "negative") {
		t.Errorf("a negative limit: %d %s", code, errs)
	}
	set("the limits of all", "--none")
	time.Sleep(3 * time.Second) // the burst comes back, and the next one finds out
	s.service.viaAPI(token)
	if got := statuses(token, nil); got[http.StatusOK] != 12 {
		t.Errorf("without a limit: %v", got)
	}
}

// connections is how many of three transactions of a tenant are open at once.
func (s *doors) connections(tenant string) (open int) {
	s.t.Helper()
	for range 3 {
		conn, err := s.connect(tenant)
		if err != nil {
			continue
		}
		defer conn.Close(context.Background())
		ctx, cancel := context.WithTimeout(s.t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := conn.Exec(ctx, "begin; select 1", pgx.QueryExecModeSimpleProtocol); err == nil {
			open++
		}
	}
	return open
}

// What cannot be read suspends nobody, so it ends the start.
func TestStateMustBeReadable(t *testing.T) {
	t.Parallel()
	d := doorDatabase(t)
	d.Exec(t, `create schema moat; create table moat.tenant_state (tenant_id uuid primary key, reason text)`)
	secret := write(t, "secret", strings.Repeat("k", 32))
	c, err := config.Parse([]byte(strings.ReplaceAll(goodIssuer, "%s", secret) + "\ntables: {schemas: [app]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, d.Roles["app"]),
		log: slog.New(slog.DiscardHandler)})
	if err == nil {
		s.close()
	}
	if err == nil || !strings.Contains(err.Error(), "moat.tenant_state suspends tenants") {
		t.Errorf("got %v", err)
	}
}
