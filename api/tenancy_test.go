package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestIsolation asks for the other tenant's rows in every way the language has.
func TestIsolation(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, path := range []string{
		"leads", "leads?tenant_id=eq." + tenantA, "leads?or=(tenant_id.eq." + tenantA + ",id.gt.0)",
		"leads?tenant_id=neq." + tenantB,
		"leads?select=*,campaigns(*),events(*),labels(*),lead_notes(*),tenants(*),countries(*,leads(*))",
		"countries?select=*,leads(*,campaigns(*))", "tenants?select=*,leads(*),campaigns(*)",
		"won_leads?select=*,campaigns(*)",
		"rpc/leads_with?s=new", "rpc/first_lead", "events?select=*,...leads(*)",
		"leads?select=count(),amount.sum()&order=count", "campaigns?select=*,leads!inner(*)",
	} {
		got := s.do(t, call{tenant: tenantB, path: path})
		if strings.Contains(got.Body, tenantA) || strings.Contains(got.Body, "Ada") ||
			strings.Contains(got.Body, "example.com\",\"status\":\"won") {
			t.Errorf("%s shows A's rows to B: %s", path, got.Body)
		}
	}
	for _, c := range []call{
		{method: "PATCH", path: "leads?tenant_id=eq." + tenantA, body: `{"name":"taken"}`},
		{method: "DELETE", path: "leads?id=in.(2,3,4)"},
		{method: "POST", path: "leads", body: `{"tenant_id":"` + tenantA + `","name":"planted"}`},
		{method: "PUT", path: "labels?id=eq.2", body: `{"id":2,"name":"of B"}`},
		{method: "POST", path: "labels", body: `{"id":2,"name":"of B"}`,
			header: []string{"Prefer: resolution=merge-duplicates"}},
		{method: "POST", path: "rpc/rename_lead", body: `{"lead":2,"new_name":"taken"}`},
	} {
		c.tenant = tenantB
		s.do(t, c)
	}
	sameJSON(t, s.do(t, call{path: "leads?select=name&order=id&id=gt.1"}).Body,
		`[{"name":"Bert \"the\" \\ Boss"},{"name":"Cleo"},{"name":"Dora"}]`)
	sameJSON(t, s.do(t, call{path: "labels?select=name&order=id"}).Body, `[{"name":"hot"},{"name":"cold"}]`)
}

// TestPolicyIsTheWall takes the policy away: rows of the other tenant must then still
// be kept apart by the statement's own predicate, and a function's rows must leak.
func TestPolicyIsTheWall(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.db.Exec(t, "DROP POLICY tenant_isolation ON app.leads")
	if got := s.do(t, call{path: "leads?select=tenant_id"}); strings.Contains(got.Body, tenantB) {
		t.Errorf("the statement does not name the tenant: %s", got.Body)
	}
	if got := s.do(t, call{path: "rpc/totals?select=n&status=eq.new"}); got.Body != `[{"n":3}]` {
		t.Errorf("without the policy a function sees every tenant, or this test proves nothing: %s", got.Body)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	request := func(token string) response {
		r, err := http.NewRequest(http.MethodGet, s.URL+"/rest/v1/leads", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return send(t, r)
	}
	if got := request(""); got.Status != 401 || !strings.Contains(got.Body, "PGRST302") {
		t.Errorf("no token: %d %s", got.Status, got.Body)
	}
	if got := request("x.y.z"); got.Status != 401 || !strings.Contains(got.Body, "PGRST301") {
		t.Errorf("bad token: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{tenant: tenantC, path: "leads"}); got.Status != 403 || !strings.Contains(got.Body, "MOAT104") {
		t.Errorf("suspended tenant: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{tenant: "dddddddd-0000-4000-8000-000000000004", path: "leads"}); got.Status != 403 ||
		!strings.Contains(got.Body, "MOAT103") {
		t.Errorf("unknown tenant: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{tenant: "none", path: "countries"}); got.Status != 403 ||
		!strings.Contains(got.Body, "MOAT102") {
		t.Errorf("no tenant: %d %s", got.Status, got.Body)
	}
	if text := s.log.String(); strings.Contains(text, "Bearer") || strings.Contains(text, s.token(t, tenantA)) ||
		!strings.Contains(text, `"tenant":"`+tenantC) {
		t.Errorf("log: %s", text)
	}
}

// A suspension acts on the very next request, whatever it asks for, and so does its end.
func TestSuspendTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.Door = api.NewDoor(c.DB, api.Admission{Age: time.Hour}) })
	asks := []call{{path: "leads"}, {method: "HEAD", path: "leads"}, {path: ""}, {method: "OPTIONS", path: "leads"},
		{path: "not-there"}, {path: "leads?id=x"}, {path: "rpc/totals"}, {method: "POST", path: "labels", body: "[]"},
		{method: "POST", path: "labels", body: `{"id":901,"name":"x"}`},
		{method: "PATCH", path: "labels?id=eq.901", body: "{}"},
		{method: "DELETE", path: "labels?id=eq.901", header: []string{"Prefer: handling=strict,max-affected=9"}}}
	for _, suspended := range []string{"false", "true", "false"} {
		s.db.Exec(t, "UPDATE app.tenants SET suspended = "+suspended+" WHERE id = '"+tenantA+"'")
		for _, ask := range asks {
			if got := s.do(t, ask); (got.Status == 403) != (suspended == "true") {
				t.Errorf("suspended %s: %s %s: %d %s", suspended, ask.method, ask.path, got.Status, got.Body)
			}
		}
	}
	s.db.Exec(t, "UPDATE app.tenants SET suspended = true WHERE id = '"+tenantA+"'")
	s.do(t, call{method: "POST", path: "labels", body: `{"id":902,"name":"x"}`})
	var n int
	err := s.db.Conn(t, s.db.URL).QueryRow(t.Context(), "SELECT count(*) FROM app.labels WHERE id = 902").Scan(&n)
	if err != nil || n != 0 {
		t.Errorf("a suspended tenant's write was done: %d, %v", n, err)
	}
}

// eventually waits for something another goroutine does.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for range 200 {
		if done() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Error("it did not happen within 5 s")
}

func TestWithoutTenant(t *testing.T) {
	t.Parallel()
	db := database(t)
	pool := pgxPool(t, db.As(t, db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) {
		c.Shared = api.WithoutTenant(pool, "app.current_tenant", "request.jwt.claims")
	})
	checkAll(t, s, []expectation{
		{name: "shared", call: call{tenant: "none", path: "countries?select=code&order=code"},
			body: `[{"code":"de"},{"code":"fr"},{"code":"it"}]`},
		{name: "tenant table", call: call{tenant: "none", path: "leads"}, status: 403, text: "MOAT102"},
		{name: "embedded tenant table", call: call{tenant: "none", path: "countries?select=code,leads(*)"}, status: 403,
			text: "MOAT102"},
		{name: "function", call: call{tenant: "none", path: "rpc/totals"}, status: 403, text: "MOAT102"},
		{name: "view", call: call{tenant: "none", path: "won_leads"}, status: 403, text: "MOAT102"},
		{name: "write", call: call{tenant: "none", method: "POST", path: "labels", body: `{"id":1,"name":"x"}`}, status: 403,
			text: "MOAT102"},
	})
}

func pgxPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	api.ConfigurePool(time.Second)(config)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// members is a door for the members of tenants alone.
func members(db *moat.DB, m api.Membership) *api.Door {
	return api.NewDoor(db, api.Admission{Membership: m})
}

func TestMembership(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, "INSERT INTO app.members (tenant_id, subject, role) VALUES ('"+tenantA+"', '', 'admin')")
	s := serveOn(t, db, func(c *api.Config) {
		c.Door = members(c.DB, api.Membership{Table: catalog.QName{Schema: "app", Name: "members"}, Role: "role"})
	})
	sameJSON(t, s.do(t, call{method: "POST", path: "rpc/whoami"}).Body,
		`{"tenant":"`+tenantA+`","sub":"ann","role":"admin"}`)
	for who, subject := range map[string]string{"a member of another tenant": "bob",
		"nobody, though a row has no subject": ""} {
		token, err := s.signer.Sign(auth.Identity{Tenant: moat.Tenant(tenantA), Subject: subject}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodGet, s.URL+"/rest/v1/leads", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		if got := send(t, r); got.Status != 403 || !strings.Contains(got.Body, "MOAT103") {
			t.Errorf("%s: %d %s", who, got.Status, got.Body)
		}
	}
}

// What refuses a caller ends at the very next request, also where the role of its membership is
// remembered.
func TestRefusalsAreNotRemembered(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) {
		c.Door = members(c.DB, api.Membership{Table: catalog.QName{Schema: "app", Name: "members"}, Role: "role"})
	})
	const ann = " WHERE tenant_id = '" + tenantA + "' AND subject = 'ann'"
	for _, step := range []struct {
		sql    string
		status int
	}{
		{"UPDATE app.tenants SET suspended = true WHERE id = '" + tenantA + "'", 403},
		{"UPDATE app.tenants SET suspended = false WHERE id = '" + tenantA + "'", 200},
		{"UPDATE app.members SET subject = 'was ann'" + ann, 403},
		{"UPDATE app.members SET subject = 'ann'" + strings.ReplaceAll(ann, "'ann'", "'was ann'"), 200},
	} {
		s.db.Exec(t, step.sql)
		for range 2 {
			if got := s.do(t, call{path: "leads"}); got.Status != step.status {
				t.Errorf("%s: %d %s", step.sql, got.Status, got.Body)
			}
		}
	}
}

// The tenants table and that of the members need not be exposed to be asked: with a
// schema of their own for the API, suspended tenants stay out.
func TestChecksReachHiddenTables(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`CREATE SCHEMA front; GRANT USAGE ON SCHEMA front TO :app;
		CREATE VIEW front.leads WITH (security_invoker) AS SELECT id, tenant_id, name FROM app.leads;
		GRANT SELECT ON front.leads TO :app`, ":app", db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) {
		c.Schemas = []string{"front"}
		c.Door = members(c.DB, api.Membership{Table: catalog.QName{Schema: "app", Name: "members"}})
	})
	checkAll(t, s, []expectation{
		{name: "known", call: call{path: "leads?select=id&id=eq.1"}, body: `[{"id":1}]`},
		{name: "suspended, to who is no member", call: call{tenant: tenantC, path: "leads"}, status: 403, text: "MOAT103"},
		{name: "unknown", call: call{tenant: "dddddddd-0000-4000-8000-000000000004", path: "leads"}, status: 403,
			text: "MOAT103"},
		{name: "hidden all the same", call: call{path: "tenants"}, status: 404, text: "PGRST205"},
		{name: "hidden members", call: call{path: "members"}, status: 404, text: "PGRST205"},
	})
}

// What the configuration names and the database does not have ends the start: a check
// must not be left out because its name is misspelled.
func TestNamesMustExist(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestExposeMustFit
	db := database(t)
	table := catalog.QName{Schema: "app", Name: "members"}
	for want, change := range map[string]func(*api.Config){
		"schema nope":           func(c *api.Config) { c.Schemas = []string{"app", "nope"} },
		"suspended column nope": func(c *api.Config) { c.Door = api.NewDoor(c.DB, api.Admission{SuspendedColumn: "nope"}) },
		"no table app.nope": func(c *api.Config) {
			c.Door = members(c.DB, api.Membership{Table: catalog.QName{Schema: "app", Name: "nope"}})
		},
		"app.members has no column nope": func(c *api.Config) {
			c.Door = members(c.DB, api.Membership{Table: table, Subject: "nope"})
		},
	} {
		if err := start(t, db.As(t, db.Roles["app"]), change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
