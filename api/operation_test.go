package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) {
		c.Limits = api.Limits{MaxRows: 2, BodyBytes: 1000, ResponseBytes: 2000}
	})
	checkAll(t, s, []expectation{
		{name: "parse", call: call{path: "leads?id=1"}, status: 400, text: `"code":"PGRST100"`},
		{name: "bad value", call: call{path: "leads?id=eq.x"}, status: 400, text: `"code":"22P02"`},
		{name: "bad uuid", call: call{path: "leads?tenant_id=eq.x"}, status: 400, text: `"code":"22P02"`},
		{name: "no operator for the type", call: call{path: "leads?id=like.1"}, status: 404, text: `"code":"42883"`},
		{name: "signs", call: call{path: "leads?select=details->>city->x"}, status: 404,
			text: `"message":"operator does not exist: text -> text"`},
		{name: "out of range", call: call{path: "leads?score=eq.99999999999999"}, status: 400, text: `"code":"22003"`},
		{name: "bad regular expression", call: call{path: "leads?name=match.("}, status: 400, text: `"code":"2201B"`},
		{name: "invalid utf-8", call: call{path: "leads?name=eq.%FF"}, status: 400, text: `"code":"22021"`},
		{name: "path", call: call{path: "leads/1"}, status: 404, text: "PGRST125"},
		{name: "body too large", call: call{method: "POST", path: "labels",
			body: `{"name":"` + strings.Repeat("x", 2000) + `"}`}, status: 413, text: "MOAT111"},
		{name: "answer too large", call: call{path: "rpc/numbers?upto=1000", header: []string{"Accept: application/json"}},
			status: 200},
		{name: "max rows", call: call{path: "leads?select=id&order=id"}, body: `[{"id":1},{"id":2}]`},
		{name: "max rows inside", call: call{
			path: "campaigns?id=eq.1&select=leads(events(id))&leads.order=id&leads.events.order=id"},
			text: `"events":[{"id":1}, `[:15]},
		{name: "timeout", call: call{method: "POST", path: "rpc/sleepy", body: `{"seconds":10}`}, status: 504, text: "57014"},
		{name: "plan is not allowed", call: call{path: "leads", header: []string{"Accept: application/vnd.pgrst.plan+json"}},
			status: 406, text: "PGRST107"},
		{name: "unknown root path", call: call{path: "/other"}, status: 404, text: "PGRST125"},
	})
	big := s.do(t, call{method: "POST", path: "rpc/echo", body: `{"x":"` + strings.Repeat("y", 900) + `"}`})
	if big.Status != 200 {
		t.Errorf("status %d", big.Status)
	}
	s2 := serve(t, func(c *api.Config) { c.Limits.ResponseBytes = 50 })
	if got := s2.do(t, call{path: "leads"}); got.Status != 413 || !strings.Contains(got.Body, "MOAT112") {
		t.Errorf("a large answer: %d %s", got.Status, got.Body)
	}
}

// What is refused for want of a WHERE is the client's to mend; any other cardinality is not.
func TestStatusOfUnsafeWrites(t *testing.T) {
	t.Parallel()
	for routine, want := range map[string]int{
		"delete_needs_where_check": 400, "ExecOnConflictUpdate": 400, "ExecSetParamPlan": 500,
	} {
		if got := api.StatusOf(&pgconn.PgError{Code: "21000", Routine: routine}); got != want {
			t.Errorf("%s: %d, want %d", routine, got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.AllowExplain = true })
	got := s.do(t, call{path: "leads?id=eq.1",
		header: []string{`Accept: application/vnd.pgrst.plan+json; options=verbose`}})
	if got.Status != 200 || !strings.Contains(got.Body, `"Plan"`) ||
		!strings.HasPrefix(got.Header.Get("Content-Type"), "application/vnd.pgrst.plan+json") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	got = s.do(t, call{path: "leads?id=eq.1",
		header: []string{`Accept: application/vnd.pgrst.plan+text; options=analyze`}})
	if got.Status != 200 || strings.Contains(got.Body, "actual") || strings.Contains(got.Body, "Removed") ||
		strings.Contains(got.Header.Get("Content-Type"), "options") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	got = s.do(t, call{path: "rpc/numbers?upto=3", header: []string{"Accept: application/vnd.pgrst.plan+text"}})
	if got.Status != 200 || !strings.Contains(got.Body, "ProjectSet") {
		t.Errorf("a function: %d %s", got.Status, got.Body)
	}
}

// Neither a count nor a plan depends on the rows of others: what only another tenant has
// looks like what nobody has, whichever filter asks.
func TestEstimatesTellNothing(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, "CREATE INDEX ON app.leads (tenant_id, name)")
	db.Exec(t, `INSERT INTO app.leads (tenant_id, id, name, score)
		SELECT $1, g, 'Rabies', 1 FROM generate_series(1000, 6000) g`, tenantB)
	db.Exec(t, "ANALYZE app.leads")
	s := serveOn(t, db, func(c *api.Config) { c.AllowExplain = true })
	for _, filter := range []string{"name=eq.%s", "name=gte.%s&name=lte.%[1]s", "or=(name.eq.%s,name.is.null)",
		"name=in.(%s,x)", "not.or=(name.neq.%s)", "name=like.%s*", "name=match.%s"} {
		ask := func(value string, header ...string) string {
			got := s.do(t, call{path: "leads?limit=0&select=id&" + fmt.Sprintf(filter, value), header: header})
			if got.Status >= 400 {
				t.Errorf("%s: %s", filter, got.Body)
			}
			return got.Header.Get("Content-Range") + got.Body
		}
		for _, header := range []string{"Prefer: count=planned", "Prefer: count=estimated",
			"Accept: application/vnd.pgrst.plan+json", "Accept: application/vnd.pgrst.plan+text; options=verbose|settings"} {
			theirs, nobodys := ask("Rabies", header), ask("Plague", header)
			if theirs != nobodys || strings.Contains(theirs, "ows") && strings.Contains(theirs, "Plan ") {
				t.Errorf("%s, %s:\n%s\n%s", filter, header, theirs, nobodys)
			}
		}
	}
}

// A count that stops says that there are more, on each page.
func TestCappedCounts(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, `INSERT INTO app.leads (tenant_id, id, name)
		SELECT $1, g, 'x' FROM generate_series(1000, 13000) g`, tenantA)
	s := serveOn(t, db, nil)
	for path, want := range map[string]string{
		"leads?name=eq.x&limit=2":              "0-1/10001",
		"leads?name=eq.x&limit=2&offset=11000": "11000-11001/11003",
		"leads?id=gt.12000&limit=2":            "0-1/1000",
	} {
		got := s.do(t, call{path: path, header: []string{"Prefer: count=estimated"}})
		if got.Header.Get("Content-Range") != want || got.Status != 206 {
			t.Errorf("%s: %d %s", path, got.Status, got.Header.Get("Content-Range"))
		}
	}
}

func TestTimezone(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	got := s.do(t, call{path: "leads?id=eq.1&select=created_at", header: []string{"Prefer: timezone=Asia/Kolkata"}})
	sameJSON(t, got.Body, `[{"created_at":"2024-01-01T15:30:00+05:30"}]`)
	if got.Header.Get("Preference-Applied") != "timezone=Asia/Kolkata" {
		t.Error(got.Header)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, `CREATE FUNCTION app.seen() RETURNS json LANGUAGE sql STABLE AS
		$$ SELECT json_build_array(current_setting('request.method'), current_setting('request.path'),
			current_setting('request.headers')::json->>'x-test',
			current_setting('request.headers')::json->>'authorization', current_setting('test.before', true)) $$;
		CREATE FUNCTION app.before() RETURNS void LANGUAGE sql AS $$ SELECT set_config('test.before', 'ran', true) $$`)
	s := serveOn(t, db, func(c *api.Config) {
		c.RequestSettings = true
		c.PreRequest.Schema, c.PreRequest.Name = "app", "before"
	})
	sameJSON(t, s.do(t, call{path: "rpc/seen", header: []string{"X-Test: yes"}}).Body,
		`["GET","/rpc/seen","yes",null,"ran"]`)
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.CORSOrigins = []string{"https://ui.example"} })
	got := s.do(t, call{path: "leads", header: []string{"X-Request-Id: abc-1", "Origin: https://ui.example"}})
	for name, want := range map[string]string{
		"X-Request-Id": "abc-1", "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "https://ui.example",
		"Content-Type": "application/json; charset=utf-8",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
	if !strings.Contains(s.log.String(), `"request_id":"abc-1"`) {
		t.Error("the access log has no request id")
	}
	got = s.do(t, call{path: "leads", header: []string{"X-Request-Id: bad id\t", "Origin: https://evil.example"}})
	if got.Header.Get("X-Request-Id") == "bad id" || got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error(got.Header)
	}
	r, err := http.NewRequest(http.MethodOptions, s.URL+"/rest/v1/leads", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://ui.example")
	r.Header.Set("Access-Control-Request-Method", "PATCH")
	if got := send(t, r); got.Status != http.StatusOK ||
		!strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), "Content-Profile") {
		t.Errorf("preflight: %d %v", got.Status, got.Header)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.MetricsTenants = 1 })
	s.do(t, call{path: "leads"})
	s.do(t, call{tenant: tenantB, path: "leads"})
	checkAll(t, s, []expectation{
		{name: "healthz", call: call{path: "/healthz"}, text: "ok"},
		{name: "readyz", call: call{path: "/readyz"}, text: "ready"},
		{name: "own label", call: call{path: "/metrics"},
			text: `moat_http_requests_total{method="GET",status="200",target="leads",tenant="` + tenantA + `"} 1`},
		{name: "others share one", call: call{path: "/metrics"}, text: `tenant="other"`},
		{name: "pool", call: call{path: "/metrics"}, text: "moat_pool_connections_max 8"},
	})
	got := s.do(t, call{path: "/metrics"})
	if strings.Contains(got.Body, tenantB) {
		t.Error("more tenants have labels than are allowed")
	}
}

func TestReadinessChecksTheRole(t *testing.T) {
	t.Parallel()
	pgtest.Full(t)      // short: cli.TestServeFailsClosed
	db := pgtest.New(t) // a role of its own: that of the template serves other tests
	sql, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, strings.ReplaceAll(string(sql), ":app", db.AppRole(t)))
	s := serveOn(t, db, nil)
	if got := s.do(t, call{path: "/readyz"}); got.Status != 200 {
		t.Fatalf("status %d: %s", got.Status, got.Body)
	}
	db.Exec(t, "ALTER ROLE "+db.Roles["app"]+" BYPASSRLS")
	eventually(t, func() bool {
		got := s.do(t, call{path: "/readyz"})
		return got.Status == 503 && strings.Contains(got.Body, "not safe")
	})
	if got := s.do(t, call{path: "leads"}); got.Status != 503 || !strings.Contains(got.Body, "MOAT131") ||
		got.Header.Get("Retry-After") == "" {
		t.Errorf("it is even served, or not said to come back: %d %s", got.Status, got.Body)
	}
	db.Exec(t, "ALTER ROLE "+db.Roles["app"]+" NOBYPASSRLS")
	eventually(t, func() bool { return s.do(t, call{path: "/readyz"}).Status == 200 })
	if got := s.do(t, call{path: "leads"}); got.Status != 200 {
		t.Errorf("with a safe role again: %d %s", got.Status, got.Body)
	}
}

// A server that is about to end says so first, answers on, and keeps no connection.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	if got := s.do(t, call{path: "leads"}); got.Status != 200 || got.Header.Get("Connection") != "" {
		t.Errorf("before: %d %v", got.Status, got.Header)
	}
	s.handler.Drain()
	if got := s.do(t, call{path: "/readyz"}); got.Status != 503 || !strings.Contains(got.Body, "shutting down") {
		t.Errorf("readyz: %d %s", got.Status, got.Body)
	}
	response, err := http.Get(s.URL + "/healthz")
	if err != nil || response.StatusCode != 200 || !response.Close {
		t.Errorf("the connection is kept: %v", err)
	}
	if got := s.do(t, call{path: "leads"}); got.Status != 200 {
		t.Errorf("a request while draining: %d", got.Status)
	}
}

func TestSchemaReload(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.PollInterval = often })
	role := s.db.Roles["app"]
	if got := s.do(t, call{path: "colours"}); got.Status != 404 {
		t.Fatalf("status %d", got.Status)
	}
	stop := make(chan struct{})
	var requests sync.WaitGroup
	requests.Add(1)
	go func() { // requests go on while the schema is read again
		defer requests.Done()
		for {
			select {
			case <-stop:
				return
			default:
				if got := s.do(t, call{path: "leads?select=id"}); got.Status != 200 {
					t.Errorf("status %d: %s", got.Status, got.Body)
				}
			}
		}
	}()
	s.db.Exec(t, fmt.Sprintf(`CREATE TABLE app.colours (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));
		CREATE POLICY p ON app.colours AS RESTRICTIVE USING (tenant_id = (SELECT
			nullif(current_setting('app.current_tenant', true), '')::uuid));
		CREATE POLICY q ON app.colours USING (true); ALTER TABLE app.colours ENABLE ROW LEVEL SECURITY;
			GRANT SELECT, INSERT ON app.colours TO %s`, role))
	eventually(t, func() bool { return s.do(t, call{path: "colours"}).Status == 200 })
	s.db.Exec(t, "ALTER TABLE app.colours ADD COLUMN shade text; NOTIFY pgrst, 'reload schema'")
	eventually(t, func() bool { return s.do(t, call{path: "colours?select=shade"}).Status == 200 })
	s.db.Exec(t, "ALTER TABLE app.colours DISABLE ROW LEVEL SECURITY")
	eventually(t, func() bool { return s.do(t, call{path: "colours"}).Status == 404 })
	close(stop)
	requests.Wait()
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.Limits.RequestsPerSecond, c.Limits.Burst = 1, 3 })
	refused := 0
	for range 10 {
		got := s.do(t, call{path: "leads?select=id"})
		if got.Status == http.StatusTooManyRequests {
			refused++
			if got.Header.Get("Retry-After") == "" || !strings.Contains(got.Body, "MOAT130") {
				t.Errorf("%v %s", got.Header, got.Body)
			}
		}
	}
	if refused < 5 {
		t.Errorf("%d of 10 were refused", refused)
	}
	if got := s.do(t, call{tenant: tenantB, path: "leads?select=id"}); got.Status != 200 {
		t.Errorf("another tenant: status %d", got.Status)
	}
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestRateLimit
	s := serve(t, func(c *api.Config) {
		c.Limits = api.Limits{Concurrent: 2, Waiting: 2, Wait: 300 * time.Millisecond}
	})
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got := s.do(t, call{method: "POST", path: "rpc/sleepy", body: `{"seconds":1}`})
			mu.Lock()
			defer mu.Unlock()
			statuses[got.Status]++
		})
	}
	time.Sleep(100 * time.Millisecond)
	if got := s.do(t, call{tenant: tenantB, path: "leads?select=id"}); got.Status != 200 {
		t.Errorf("another tenant: status %d", got.Status)
	}
	all.Wait()
	if statuses[204] != 2 || statuses[429] != 6 {
		t.Errorf("statuses %v, want 2 done and 6 refused", statuses)
	}
}

// Statements of a tenant that takes much run one at a time, while another tenant is about.
func TestHeavyTenant(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: serving's TestBusyTenantsLeaveWork
	s := serve(t, func(c *api.Config) { c.Limits.BesideOthers = 1 })
	other := func() {
		if got := s.do(t, call{tenant: tenantB, path: "leads?select=id"}); got.Status != 200 {
			t.Errorf("another tenant: status %d", got.Status)
		}
	}
	other()
	var all sync.WaitGroup
	var began time.Time
	for _, body := range []string{`{"seconds":0.2}`, `{"seconds":0.1}`, `{"seconds":0.1}`, `{"seconds":0.1}`} {
		all.Go(func() {
			if got := s.do(t, call{method: "POST", path: "rpc/sleepy", body: body}); got.Status != 204 {
				t.Errorf("the heavy tenant: %d %s", got.Status, got.Body)
			}
		})
		if strings.Contains(body, "0.2") {
			all.Wait()
			began = time.Now()
		}
	}
	other()
	if all.Wait(); time.Since(began) < 200*time.Millisecond {
		t.Errorf("its statements ran at once, in %s", time.Since(began))
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+"/rest/v1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token(t, tenantA))
	r.Header.Set("Accept-Encoding", "gzip")
	if got := send(t, r); got.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v", got.Header)
	}
}

// TestAgreesWithPostgreSQL compares the hand-written JSON of every column with
// PostgreSQL's own row_to_json.
func TestAgreesWithPostgreSQL(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	conn := s.db.Conn(t, s.db.URL)
	var want []byte
	err := conn.QueryRow(t.Context(), `SELECT json_agg(l ORDER BY id) FROM app.leads l WHERE tenant_id = $1`,
		tenantA).Scan(&want)
	if err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage = want
	sameJSON(t, s.do(t, call{path: "leads?order=id"}).Body, string(raw))
}

// TestColumnTypeChanges: a prepared statement whose result changed under it is
// prepared again, and the client does not notice.
func TestColumnTypeChanges(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for range 30 { // on every connection
		s.do(t, call{path: "events?id=eq.1&select=kind,amount"})
	}
	s.db.Exec(t, "ALTER TABLE app.events ALTER COLUMN amount TYPE integer")
	for range 30 {
		if got := s.do(t, call{path: "events?id=eq.1&select=kind,amount"}); got.Status != 200 {
			t.Fatalf("status %d: %s", got.Status, got.Body)
		}
	}
}
