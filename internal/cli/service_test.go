package cli

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/proxy"
)

// Zero in moat.yaml means no limit, and to the API a default.
func TestLimitsOfZero(t *testing.T) {
	t.Parallel()
	c, err := config.Parse([]byte("limits: {requests_per_second: 0, concurrent: 0, response_bytes: 0}\nserve: " +
		"{max_rows: 0}"))
	if err != nil {
		t.Fatal(err)
	}
	got := apiLimits(c)
	want := api.Limits{Concurrent: math.MaxInt, Waiting: math.MaxInt, ResponseBytes: math.MaxInt64,
		Wait: 2 * time.Second, MaxRows: -1, BodyBytes: 1 << 20, StatementTimeout: 5 * time.Second}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	byDefault := apiLimits(config.Default())
	if byDefault.Concurrent != 20 || byDefault.ResponseBytes != 16<<20 || byDefault.RequestsPerSecond != 100 {
		t.Errorf("by default %+v", byDefault)
	}
}

// The connection string's statement timeout holds, and the role's where none is configured.
func TestStatementTimeout(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	d.Exec(t, "alter role "+role+" set statement_timeout = '45s'")
	for suffix, want := range map[string][2]time.Duration{ // with 5 s configured, and none
		"":                         {5 * time.Second, 45 * time.Second},
		"&statement_timeout=70000": {70 * time.Second, 70 * time.Second},
		"&statement_timeout=2min":  {2 * time.Minute, 2 * time.Minute},
		"&statement_timeout=0":     {},
		"&options=-c%20statement_timeout%3D1500ms": {1500 * time.Millisecond, 1500 * time.Millisecond},
	} {
		url := d.As(t, role)
		if suffix != "" && !strings.Contains(url, "?") {
			url += "?"
		}
		for i, configured := range []time.Duration{5 * time.Second, 0} {
			if got, err := statementTimeout(t.Context(), url+suffix, configured); err != nil || got != want[i] {
				t.Errorf("%q with %s: %s, %v; want %s", suffix, configured, got, err, want[i])
			}
		}
	}
}

// The demo's visitor is held up by no rate, and still cannot take all of the memory: 200 forms of 1 MB each
// took 350 MB.
func TestDemoIsBoundedInMemory(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Limits = visitorLimits(c.Limits)
	if got := apiLimits(c); got.RequestsPerSecond != 0 || got.Concurrent != math.MaxInt || got.ResponseBytes != 16<<20 {
		t.Errorf("limits %+v", got)
	}
}

// A limit near to what is in use would leave the program to its collector.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	t.Parallel()
	for _, live := range []int64{0, 5 << 20, 40 << 20, 1 << 30} {
		if got := memoryLimit(live); got < smallMemory || got < live*5/4 {
			t.Errorf("%d bytes in use: limit %d", live, got)
		}
	}
}

// A hangup reads the schema again although nothing in it has changed.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	c, err := config.Parse([]byte(strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))) +
		"\nportal: {disabled: true}"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, role), log: slog.New(slog.DiscardHandler),
		telemetry: measured()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	defer s.reloadOnHangup(t.Context())()
	loaded := func(version string) bool {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return strings.Contains(w.Body.String(), "moat_schema_version "+version+"\n")
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the schema is loaded again", func() bool { return loaded("2") })
}

// No timeout interrupts the compiling of a statement, and agents choose how large theirs are.
func TestAgentsRunInOneProcess(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	d.Exec(t, "alter role "+role+" set jit = on; alter role "+role+" set max_parallel_workers_per_gather = 4")
	c, err := config.Parse([]byte(strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32)))))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{config: c, appURL: d.As(t, role)}
	t.Cleanup(s.close)
	agents, err := s.openStatements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var is string
	ctx := moat.WithScope(t.Context(), moat.Scope{Tenant: tenantOfA})
	const both = "select current_setting('jit') || current_setting('max_parallel_workers_per_gather')"
	if err := agents.QueryRow(ctx, both).Scan(&is); err != nil || is != "off0" {
		t.Errorf("jit and workers are %q, %v", is, err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("%s: not within a minute", what)
}

func TestTenantType(t *testing.T) {
	t.Parallel()
	for column, want := range map[string]string{
		"uuid": "uuid", "bigint": "bigint", "integer": "integer", "smallint": "integer", "text": "text",
		"character varying": "text", "character varying(36)": "text", "character(2)": "text", "citext": "citext",
	} {
		if got := tenantType(column); got != want {
			t.Errorf("%s: %s, want %s", column, got, want)
		}
	}
}

// An issuer that is away keeps no server from starting, which says so; --check fails.
func TestStartWhileTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	away := httptest.NewServer(nil)
	away.Close()
	c, err := config.Parse([]byte("portal: {disabled: true}\nauth: {issuers: [{issuer: https://id.test, audience: moat, " +
		"jwks_url: " + away.URL + "}]}"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(check bool) (*service, error) {
		return openService(t.Context(), &service{config: c, appURL: d.As(t, role), log: slog.New(slog.DiscardHandler),
			check: check})
	}
	if _, err := open(true); err == nil || !strings.Contains(err.Error(), "https://id.test") {
		t.Errorf("--check: %v", err)
	}
	s, err := open(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "https://id.test") {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	var refused *proxy.Refusal
	_, err = s.verifyForProxy(t.Context(), doorToken(t, tenantOfA, "u", ""), "")
	if !errors.As(err, &refused) || refused.Code != "57P03" {
		t.Errorf("the proxy says %v", err)
	}
}
