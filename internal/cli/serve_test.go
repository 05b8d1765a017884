package cli

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// run runs a command line and returns what it printed.
func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(context.Background(), args, IO{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// write makes a file in the test's folder.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const goodIssuer = "auth: {issuers: [{issuer: https://id.test, audience: moat, secret_file: %s}]}"

// leadsDatabase is a database with one isolated table.
func leadsDatabase(t *testing.T) (d *pgtest.Database, role string) {
	t.Helper()
	return leadsDatabaseOn(t, pgtest.Shared(t))
}

func leadsDatabaseOn(t *testing.T, cluster *pgtest.Cluster) (d *pgtest.Database, role string) {
	t.Helper()
	d = cluster.New(t)
	role = d.AppRole(t)
	d.Exec(t, `
		create table tenants (id uuid primary key, name text);
		create table leads (tenant_id uuid not null references tenants
			default (nullif(current_setting('app.current_tenant', true), '')::uuid),
			id int, name text, primary key (tenant_id, id));
		insert into tenants values ('11111111-1111-1111-1111-111111111111', 'A'),
		  ('22222222-2222-2222-2222-222222222222', 'B');
		insert into leads values ('11111111-1111-1111-1111-111111111111', 1, 'a'),
		  ('22222222-2222-2222-2222-222222222222', 1, 'b');
		create policy tenant_isolation on leads as restrictive using (tenant_id = (select
		  nullif(current_setting('app.current_tenant', true), '')::uuid));
		create policy tenant_access on leads to `+role+` using (true);
		alter table leads enable row level security; alter table leads force row level security;
		grant select, insert, update, delete on leads to `+role)
	return d, role
}

func TestServeFailsClosed(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	app := d.As(t, role)
	secret := write(t, "secret", strings.Repeat("k", 32))
	good := strings.ReplaceAll(goodIssuer, "%s", secret)
	for what, c := range map[string]struct{ config, url, want string }{
		"no issuer":    {"auth: {issuers: []}", app, "no issuer"},
		"no iss":       {"auth: {issuers: [{audience: moat, secret_file: " + secret + "}]}", app, "no issuer"},
		"no audience":  {"auth: {issuers: [{issuer: https://id.test, secret_file: " + secret + "}]}", app, "no audience"},
		"no key":       {"auth: {issuers: [{issuer: https://id.test, audience: moat}]}", app, "key"},
		"missing file": {strings.ReplaceAll(goodIssuer, "%s", "/nowhere/secret"), app, "secret"},
		"unknown key":  {good + "\nsrve: {}", app, "unknown field"},
		"superuser":    {good, d.URL, "superuser"},
		"half of TLS":  {good + "\nserve: {tls_cert_file: x}", app, "go together"},
		"no TLS file":  {good + "\nserve: {tls_cert_file: /nowhere/c, tls_key_file: /nowhere/k}", app, "serve.tls_cert_file"},
		"other type":   {good + "\ntenant: {type: bigint}", app, "leads.tenant_id is uuid"},
		"no setting":   {good + "\ntenant: {setting: app.other}", app, "they read app.current_tenant"},
		"no schema":    {good + "\nserve: {schemas: [nope]}", app, "schema nope"},
		"no column":    {good + "\ntenant: {suspended_column: nope}", app, "suspended column nope"},
		"no members":   {good + "\ncaller: {table: public.nope}", app, "public.nope"},
		"pre-request":  {good + "\nserve: {pre_request: public.missing}", app, "no such function"},
		"no collector": {good + "\nserve: {tracing: {endpoint: 'collector:4317'}}", app, "serve.tracing.endpoint"},
	} {
		code, out, errs := run(t, "serve", "--check", "--config", write(t, "moat.yaml", c.config), "--app-url", c.url)
		if code != exitError || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, %q, want an error that says %q", what, code, errs, c.want)
		}
	}
	for _, fine := range []string{"", "\ntenant: {type: uuid, setting: app.current_tenant}"} {
		if code, _, errs := run(t, "serve", "--check", "--config", write(t, "moat.yaml", good+fine), "--app-url",
			app); code != exitOK {
			t.Errorf("a safe configuration: exit %d, %s", code, errs)
		}
	}
}

// Policies that find a caller's tenants by membership show nobody anything where moat.yaml does not
// say so.
func TestServeNeedsItsCaller(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	role := d.AppRole(t)
	d.Exec(t, `create table tenants (id uuid primary key); create table members (tenant_id uuid not null references
		  tenants, user_id text not null, primary key (tenant_id, user_id));
		create table leads (tenant_id uuid not null references tenants, id int, primary key (tenant_id, id));
		create policy wall on leads as restrictive using (tenant_id = (select o.tenant_id from members o where
		  o.user_id = (select nullif(current_setting('app.subject', true), '')) and
		  o.tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid)));
		create policy own on members using (user_id = (select nullif(current_setting('app.subject', true), '')));
		create policy access on leads to `+role+` using (true);
		alter table leads enable row level security, force row level security;
		alter table members enable row level security, force row level security;
		grant select on leads, members to `+role)
	good := strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32)))
	check := func(more string) (int, string) {
		code, _, errs := run(t, "serve", "--check", "--config", write(t, "moat.yaml", good+more), "--app-url", d.As(t, role))
		return code, errs
	}
	if code, errs := check(""); code != exitError || !strings.Contains(errs, "caller is not in moat.yaml") {
		t.Errorf("without a caller: exit %d, %s", code, errs)
	}
	const caller = "\ncaller: {table: public.members, subject: user_id, tenant: tenant_id}"
	if code, errs := check(caller); code != exitOK {
		t.Errorf("with its caller: exit %d, %s", code, errs)
	}
}

// A policy may read its setting in a function: what is configured is held against that.
func TestSettingReadInAFunction(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestServePoliciesOverClaims
	d, role := leadsDatabase(t)
	d.Exec(t, `create function tenant() returns uuid language sql stable as $$
		select nullif(current_setting('App.Client', true), '')::uuid $$;
		alter policy tenant_isolation on leads using (tenant_id = (select tenant()))`)
	good := strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32)))
	for setting, want := range map[string]string{"app.client": "", "App.Client": "",
		"app.current_tenant": "no policy reads it"} {
		yaml := write(t, "moat.yaml", good+"\ntenant: {setting: "+setting+"}")
		code, _, errs := run(t, "serve", "--check", "--config", yaml, "--app-url", d.As(t, role))
		if (code == exitOK) != (want == "") || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %s", setting, code, errs)
		}
	}
}

func TestTokenAndSQL(t *testing.T) {
	t.Parallel()
	config := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))))
	const a = "11111111-1111-1111-1111-111111111111"
	code, token, errs := run(t, "token", "--config", config, "--tenant", a)
	if code != exitOK || strings.Count(token, ".") != 2 {
		t.Errorf("token: exit %d, %s", code, errs)
	}
	for what, args := range map[string][]string{
		"not a uuid": {"--tenant", "nobody"}, "no time": {"--tenant", a, "--expires", "0s"},
		"another issuer": {"--tenant", a, "--issuer", "https://other.test"},
	} {
		if code, out, _ := run(t, append([]string{"token", "--config", config}, args...)...); code != exitError || out != "" {
			t.Errorf("%s: exit %d, %q", what, code, out)
		}
	}
	d, role := leadsDatabase(t)
	url := d.As(t, role)
	const sql = "select name, id::numeric from leads"
	if _, out, _ := run(t, "sql", "--app-url", url, sql); !strings.Contains(out, "(0 rows)") {
		t.Errorf("no tenant: %s", out)
	}
	if _, out, _ := run(t, "sql", "--app-url", url, "--tenant", a, sql); out != "name  id\na     1\n(1 row)\n" {
		t.Errorf("tenant A: %q", out)
	}
	if code, _, errs := run(t, "sql", "--app-url", url, "select * from nosuch"); code != exitError ||
		!strings.Contains(errs, "nosuch") {
		t.Errorf("bad SQL: exit %d, %s", code, errs)
	}
}

// A request that is being answered is finished after the signal.
func TestServeFinishesRequests(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	d.Exec(t, "create function slow() returns int language sql as 'select 1 from pg_sleep(1)'; grant execute on "+
		"function slow() to "+role)
	s := startServeOn(t, d.As(t, role), "")
	answered := make(chan int, 1)
	go func() {
		r, err := http.NewRequest(http.MethodPost, s.url+"/rest/v1/rpc/slow", nil)
		if err != nil {
			answered <- 0
			return
		}
		r.Header.Set("Authorization", "Bearer "+s.token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	until(t, "the request is being answered", func() bool {
		_, body := s.get(t, s.url+"/metrics")
		return strings.Contains(body, "moat_pool_connections_acquired 1")
	})
	if code := s.stop(); code != exitOK {
		t.Errorf("exit %d: %s", code, s.errs)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request got %d", status)
	}
	if _, err := http.Get(s.url + "/healthz"); err == nil {
		t.Error("it still listens")
	}
}

// A tenant column of limited length holds texts.
func TestServeTextOfLimitedLength(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	role := d.AppRole(t)
	d.Exec(t, `
		create table accounts (id varchar(20) primary key);
		create table notes (account_id varchar(20) not null references accounts, id int, primary key (account_id, id));
		insert into accounts values ('acme'), ('bolt');
		insert into notes select id, 1 from accounts;
		alter table notes enable row level security;
		create policy tenant on notes using (account_id = (select nullif(current_setting('app.current_tenant', true), '')));
		grant select on notes, accounts to `+role)
	config := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s", write(t, "secret", strings.Repeat("k", 32))))
	if code, _, errs := run(t, "serve", "--check", "--config", config, "--app-url", d.As(t, role)); code != exitOK {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// Policies may read the token's claims, as PostgREST's users write them; the setting
// that moat.yaml names beside is then nothing to complain of.
func TestServePoliciesOverClaims(t *testing.T) {
	t.Parallel()
	d, role := leadsDatabase(t)
	d.Exec(t, `drop policy tenant_isolation on leads;
		create policy tenant_isolation on leads as restrictive using (tenant_id = ((select
		  current_setting('request.jwt.claims', true))::json->>'tenant_id')::uuid)`)
	s := startServeOn(t, d.As(t, role), "tenant: {setting: app.current_tenant}")
	if status, body := s.get(t, s.url+"/rest/v1/leads?select=name"); status != http.StatusOK || body != `[{"name":"a"}]` {
		t.Errorf("%d %s", status, body)
	}
}

// An operator in a filter is found in the configured schemas, and still in the role's own path.
func TestServeFindsOperators(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestServePoliciesOverClaims
	d, role := leadsDatabase(t)
	for schema, operator := range map[string]string{"far": "=", "near": "~"} {
		d.Exec(t, strings.NewReplacer("$s", schema, "$o", operator, "$r", role).Replace(`create schema $s;
			grant usage on schema $s to $r;
			create function $s.like(json, json) returns boolean language sql immutable as 'select $1::text = $2::text';
			create operator $s.$o (leftarg = json, rightarg = json, function = $s.like)`))
	}
	d.Exec(t, `alter role `+role+` set search_path = near;
		alter table leads add shape json; update leads set shape = '[1]'`)
	for setting, want := range map[string]int{
		"": http.StatusNotFound, "serve: {extra_search_path: [far]}": http.StatusOK,
	} {
		s := startServeOn(t, d.As(t, role), setting)
		if status, body := s.get(t, s.url+"/rest/v1/leads?select=name&shape=eq.[1]"); status != want {
			t.Errorf("%q: %d %s", setting, status, body)
		}
		if status, body := s.get(t, s.url+"/rest/v1/leads?select=name&shape=match.[1]"); status != http.StatusOK {
			t.Errorf("%q: %d %s", setting, status, body)
		}
	}
}
