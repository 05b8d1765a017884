package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// agents is a sealed database, and what serves agents from it.
type agents struct {
	*pgtest.Database
	app, operator, yaml string
	log                 *bytes.Buffer
}

func newAgents(t *testing.T) *agents {
	t.Helper()
	d := pgtest.NewCluster(t, postgres.Options{}).New(t)
	role, operator := d.AppRole(t), d.Role(t, "operator", "LOGIN BYPASSRLS")
	d.Exec(t, fmt.Sprintf(`
		create table tenants (id uuid primary key, name text);
		create table leads (tenant_id uuid not null references tenants, id int, name text, email text,
			primary key (tenant_id, id));
		comment on table leads is 'People who asked for an offer';
		insert into tenants values ('%[1]s', 'A'), ('%[2]s', 'B');
		insert into leads select '%[1]s', i, 'a-' || i, 'x' from generate_series(1, 500) i;
		insert into leads select '%[2]s', i, 'B-SECRET-' || i, 'x' from generate_series(1, 500) i;
		do $do$ declare t text; begin foreach t in array array['leads', 'tenants'] loop
			execute format('create policy tenant_isolation on %%I as restrictive using (%%s = (select
		  		nullif(current_setting(''app.current_tenant'', true), '''')::uuid))', t,
				case t when 'leads' then 'tenant_id' else 'id' end);
			execute format('create policy tenant_access on %%I to %[3]s using (true)', t);
			execute format('alter table %%I enable row level security, force row level security', t);
			execute format('grant select on %%I to %[3]s', t);
		end loop; end $do$;
		create function slow_one() returns int stable language plpgsql as
			$$ begin perform pg_catalog.pg_sleep(30); return 1; end $$;
		create function counted() returns int language sql as $$ select 1 $$;
		analyze`, sealTenantA, sealTenantB, role))
	key, secret := filepath.Join(t.TempDir(), "seal.key"), write(t, "secret", strings.Repeat("k", 32))
	a := &agents{Database: d, app: d.As(t, role), operator: d.As(t, operator), log: &bytes.Buffer{}}
	a.yaml = "roles: {application: " + role + "}\nsealed: {enabled: true, key_file: " + key + "}\n" +
		"portal: {disabled: true}\n" + strings.ReplaceAll(goodIssuer, "%s", secret) +
		"\nmcp: {enabled: true, resource: 'http://127.0.0.1/mcp', sql: true, max_rows: 20, max_bytes: 20000, " +
		"max_cost: 5000, statement_timeout: 3s}\n"
	file := write(t, "moat.yaml", a.yaml)
	for _, args := range [][]string{
		{"seal", "key", "new", "--apply"}, {"tenant", "setup", "--operator", operator, "--apply"}, {"seal", "on", "--apply"},
	} {
		if code, out, errs := run(t, append(args, "--config", file, "--database-url", d.URL)...); code != exitOK {
			t.Fatalf("moat %v: %d %s%s", args, code, out, errs)
		}
	}
	return a
}

// open opens the service as moat serve would on a release without flaws, which tests need not have.
func (a *agents) open(t *testing.T, yaml string, change func(*service)) (*service, error) {
	t.Helper()
	c, err := config.Parse([]byte(yaml))
	if err != nil {
		return nil, err
	}
	s := &service{config: c, appURL: a.app, mcpURL: a.operator, log: slog.New(slog.NewJSONHandler(a.log, nil)),
		flaws: func(int) []string { return nil }}
	if change != nil {
		change(s)
	}
	s, err = openService(t.Context(), s)
	if err == nil {
		t.Cleanup(s.close)
	}
	return s, err
}

// What would not keep tenants apart does not start.
func TestAgentsAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestServeFailsClosed
	a := newAgents(t)
	other := filepath.Join(t.TempDir(), "seal.key")
	if err := seal.WriteKeys(other, seal.NewKey()); err != nil {
		t.Fatal(err)
	}
	const resource = "resource: 'http://127.0.0.1/mcp'"
	replace := func(from, to string) string { return strings.Replace(a.yaml, from, to, 1) }
	for what, c := range map[string]struct {
		yaml   string
		change func(*service)
		want   string
	}{
		"a release with flaws": {a.yaml, func(s *service) { s.flaws = func(int) []string { return []string{"CVE-1"} } },
			"CVE-1"},
		"not sealed":       {replace("enabled: true, key_file", "enabled: false, key_file"), nil, "sealed.enabled"},
		"without a tenant": {replace("portal:", "serve: {allow_without_tenant: true}\nportal:"), nil, "does not reach"},
		"something hidden": {replace("portal:", "serve: {expose: {public.leads: {hide: [email]}}}\nportal:"), nil,
			"serve.expose"},
		"no record":                       {a.yaml, func(s *service) { s.mcpURL = "" }, "written down"},
		"a record that cannot be written": {a.yaml, func(s *service) { s.mcpURL = a.app }, "may not write"},
		"no address":                      {replace(resource, "resource: ''"), nil, "mcp.resource"},
		"another address":                 {replace(resource, "resource: 'http://127.0.0.1/other'"), nil, "mcp.resource"},
		"any page":                        {replace("sql: true", "origins: ['*']"), nil, "mcp.origins"},
		"another key": {regexp.MustCompile(`key_file: \S+seal.key`).ReplaceAllString(a.yaml, "key_file: "+other), nil,
			"could not be verified"},
	} {
		if _, err := a.open(t, c.yaml, c.change); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	a.Exec(t, "create policy own on leads using (tenant_id::text = current_setting('app.current_tenant', true))")
	if _, err := a.open(t, a.yaml, nil); err == nil || !strings.Contains(err.Error(), "reads the setting") {
		t.Errorf("a policy that reads a plain setting: %v", err)
	}
}

// client connects the official client as a tenant.
func (a *agents) client(t *testing.T, at *httptest.Server, token string) (*sdk.ClientSession, error) {
	t.Helper()
	transport := &sdk.StreamableClientTransport{Endpoint: at.URL + "/mcp", DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: bearer(token)}}
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := c.Connect(t.Context(), transport, nil)
	if err == nil {
		t.Cleanup(func() { session.Close() })
	}
	return session, err
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	r.Header.Set("Moat-Scope", "descendants") // which the API would refuse here: agents see a tenant's own rows
	return http.DefaultTransport.RoundTrip(r)
}

func token(t *testing.T, audience, tenant string) string {
	t.Helper()
	signer, err := auth.NewSigner(auth.SignerConfig{Key: auth.Secret(strings.Repeat("k", 32)), Issuer: "https://id.test",
		Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	text, err := signer.Sign(auth.Identity{Tenant: moat.Tenant(tenant), Subject: "ada"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// call calls a tool; an error of the tool's comes back as text behind "error: ".
func call(t *testing.T, s *sdk.ClientSession, tool string, arguments any) string {
	t.Helper()
	r, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "error: " + err.Error()
	}
	text := ""
	for _, c := range r.Content {
		text += c.(*sdk.TextContent).Text
	}
	if r.IsError {
		return "error: " + text
	}
	return text
}

// The official client lists, describes, reads and asks, as two tenants; each finds what was asked
// for it, and nobody else's.
func TestAgents(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: api's tests of what is asked, TestOneDoor
	a := newAgents(t)
	s, err := a.open(t, a.yaml, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := httptest.NewServer(s.handler)
	t.Cleanup(at.Close)
	const resource = "http://127.0.0.1/mcp"
	for tenant, own := range map[string]string{sealTenantA: "a-1", sealTenantB: "B-SECRET-1"} {
		c, err := a.client(t, at, token(t, resource, tenant))
		if err != nil {
			t.Fatal(err)
		}
		for tool, ask := range map[string]struct {
			arguments map[string]any
			want      string
		}{
			"list_tables":    {nil, `{"name":"leads","comment":"People who asked for an offer"}`},
			"describe_table": {map[string]any{"table": "leads"}, `{"name":"email","type":"text","null":true}`},
			"read":           {map[string]any{"table": "leads", "query": "select=name&id=eq.1"}, `[{"name":"` + own + `"}]`},
			"query": {map[string]any{"sql": "select count(*), min(name) from leads where id < 3"},
				`{"columns":["count","min"],"rows":[["2","` + own + `"]]}`},
		} {
			if got := call(t, c, tool, ask.arguments); !strings.Contains(got, ask.want) {
				t.Errorf("%s as %s: %s", tool, own, got)
			}
		}
		if got := call(t, c, "query", map[string]any{"sql": "select distinct tenant_id from leads"}); got !=
			`{"columns":["tenant_id"],"rows":[["`+tenant+`"]]}`+"\n" {
			t.Errorf("tenants that %s sees: %s", own, got)
		}
	}
	a.limits(t, at)
	a.strangers(t, at)
	a.recorded(t)
}

// limits: what costs too much is refused, and says which limit it met.
func (a *agents) limits(t *testing.T, at *httptest.Server) {
	t.Helper()
	c, err := a.client(t, at, token(t, "http://127.0.0.1/mcp", sealTenantA))
	if err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]string{
		"select id from leads order by id":                          `"more":true`,
		"select repeat('x', 30000)":                                 "20000 bytes",
		"select repeat('x', 300000)":                                "",
		"select count(*) from leads a, leads b, leads c":            "5000 is the limit",
		"select slow_one()":                                         "took too long",
		"select counted()":                                          "the function counted is volatile",
		"select leads.random from leads":                            "random is volatile",
		"select query_to_xml('select counted()', true, false, '')":  "runs SQL of its own",
		"select set_config('moat.sealed', '', true)":                "set_config is volatile",
		`select U&"\0063ounted"()`:                                  "as they are",
		"select 1; select 2":                                        "multiple commands",
		"delete from leads":                                         "only a SELECT",
		"with d as (delete from leads returning 1) select * from d": "",
		"select 1 into x":                                           "",
		"select * from leads for update":                            "",
		"explain analyze select 1":                                  "only a SELECT",
		"select $1":                                                 "parameters",
		"":                                                          "no statement",
		"select * from pg_stat_activity where query like '%B-SECRET%'": `"rows":[]`,
	} {
		got := call(t, c, "query", map[string]any{"sql": sql})
		if !strings.Contains(got, want) || (want == "" && !strings.HasPrefix(got, "error: ")) || strings.Contains(got, "B-") {
			t.Errorf("%s: %.300s, want %q", sql, got, want)
		}
	}
	var rows []any
	got := call(t, c, "read", map[string]any{"table": "leads", "query": "select=id&limit=400"})
	if err := json.Unmarshal([]byte(got), &rows); err != nil || len(rows) != 20 {
		t.Errorf("read: %d rows, %v", len(rows), err)
	}
	for _, table := range []string{"rpc/counted", "../keys", "nope", ""} {
		if got := call(t, c, "read", map[string]any{"table": table}); !strings.HasPrefix(got, "error: ") {
			t.Errorf("read %q: %s", table, got)
		}
	}
	pid := func() string {
		return call(t, c, "query", map[string]any{"sql": "select pid from pg_locks where locktype = 'virtualxid'"})
	}
	if one, two := pid(), pid(); one == two || !strings.Contains(one, "pid") {
		t.Errorf("a connection was used twice: %s %s", one, two)
	}
}

// strangers: a token for the API, one without a tenant, none, and a page of another origin.
func (a *agents) strangers(t *testing.T, at *httptest.Server) {
	t.Helper()
	for what, text := range map[string]string{"a token for the API": token(t, "moat", sealTenantA), "no token": "x"} {
		if _, err := a.client(t, at, text); err == nil {
			t.Errorf("%s is let in", what)
		}
	}
	c, err := a.client(t, at, token(t, "http://127.0.0.1/mcp", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"list_tables", "describe_table", "read", "query"} {
		arguments := map[string]any{"table": "leads", "sql": "select 1"}
		switch tool {
		case "list_tables":
			arguments = nil
		case "query":
			delete(arguments, "table")
		default:
			delete(arguments, "sql")
		}
		if got := call(t, c, tool, arguments); !strings.Contains(got, "tenant") || !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s without a tenant: %s", tool, got)
		}
	}
	for origin, want := range map[string]int{"https://evil.example": http.StatusForbidden,
		"http://127.0.0.1": http.StatusUnauthorized} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, at.URL+"/mcp", strings.NewReader("{}"))
		r.Header.Set("Origin", origin)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("origin %s: %d", origin, answer.StatusCode)
		}
		if h := answer.Header.Get("WWW-Authenticate"); want == 401 && !strings.Contains(h, "http://127.0.0.1/.well-known/") {
			t.Errorf("a stranger is told %q", h)
		}
	}
}

// recorded: the access log has each call, and each tenant finds its own.
func (a *agents) recorded(t *testing.T) {
	t.Helper()
	for _, target := range []string{"mcp/list_tables", "mcp/describe_table", "mcp/read", "mcp/query"} {
		if !strings.Contains(a.log.String(), `"target":"`+target+`"`) {
			t.Errorf("the log does not have %s", target)
		}
	}
	o, err := bindOptions(must(config.Parse([]byte(a.yaml))))
	if err != nil {
		t.Fatal(err)
	}
	db, err := moat.Open(t.Context(), a.app, o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var calls, others int
	ctx := moat.WithScope(t.Context(), moat.Scope{Tenant: sealTenantB})
	err = db.QueryRow(ctx, `select count(*) filter (where action like 'agent: %' and operator = 'ada'),
		count(*) filter (where tenant_id <> $1) from moat.operator_log`, sealTenantB).Scan(&calls, &others)
	if err != nil || calls != 5 || others != 0 {
		t.Errorf("B finds %d calls, %d of others, %v", calls, others, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
