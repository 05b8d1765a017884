package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
)

const (
	delta = "44444444-4444-4444-8444-444444444444" // below acme
	omega = "99999999-9999-4999-8999-999999999999" // nobody's
)

// speaksDatabase has tenants that row-level security hides until one is bound, as moat
// protect plans it, members of two issuers, and a tree: delta is below acme. Gamma is
// suspended.
func speaksDatabase(t *testing.T) *pgtest.Database {
	t.Helper()
	return pgtest.Template(t, "speaks", func(t testing.TB, d *pgtest.Database) {
		d.Exec(t, strings.NewReplacer(":app", d.AppRole(t), ":acme", acme, ":beta", beta, ":gamma", gamma, ":delta",
			delta, ":now", "nullif(current_setting('app.current_tenant', true), '')::uuid",
			":own", "nullif(current_setting('app.subject', true), '')").Replace(`
			create schema app; create schema moat; grant usage on schema app, moat to :app;
			create table app.tenants (id uuid primary key, name text not null, slug text unique, org text unique, plain text,
				issuer text, suspended boolean not null default false, parent_id uuid references app.tenants);
			create table app.members (tenant_id uuid not null references app.tenants, issuer text not null,
				subject text not null, role text not null, primary key (tenant_id, issuer, subject));
			create table app.docs (tenant_id uuid not null default :now references app.tenants, id int, title text,
				primary key (tenant_id, id));
			create table moat.tenant_tree (ancestor uuid references app.tenants, tenant uuid references app.tenants, depth int);
			insert into app.tenants (id, name, slug, org, issuer, parent_id) values
				(':acme', 'Acme', 'acme', 'org_Acme', 'https://one.test', null),
				(':beta', 'Beta', 'beta', 'org_Beta', 'https://two.test', null),
				(':delta', 'Delta', 'delta', 'org_Delta', 'https://one.test', ':acme');
			insert into app.tenants (id, name, slug, org, issuer, suspended)
				values (':gamma', 'Gamma', 'gamma', 'org_Gamma', 'https://one.test', true);
			insert into app.members values (':acme', 'https://one.test', 'ann', 'admin'),
				(':beta', 'https://one.test', 'ann', 'viewer'), (':gamma', 'https://one.test', 'ann', 'admin'),
				(':beta', 'https://two.test', 'bob', 'admin');
			insert into app.docs select id, 1, 'of ' || name from app.tenants;
			insert into moat.tenant_tree select id, id, 0 from app.tenants union all select ':acme', ':delta', 1;
			create policy wall on app.tenants as restrictive using (id = (select :now));
			create policy wall on app.docs as restrictive using (tenant_id = (select :now));
			create policy caller on app.members as restrictive for select using (subject = (select :own));
			create policy wall on moat.tenant_tree as restrictive using (ancestor = (select :now));
			create policy access on app.tenants to :app using (true); create policy access on app.docs to :app using (true);
			create policy access on app.members to :app using (true);
			create policy access on moat.tenant_tree to :app using (true);
			alter table app.tenants enable row level security, force row level security;
			alter table app.docs enable row level security, force row level security;
			alter table app.members enable row level security, force row level security;
			alter table moat.tenant_tree enable row level security, force row level security;
			grant select on all tables in schema app, moat to :app; grant insert, update, delete on app.docs to :app`))
	})
}

const oneSecret, twoSecret = "one-one-one-one-one-one-one-one-", "two-two-two-two-two-two-two-two-"

// speaksService serves it: issuers one and two, and what a case adds to moat.yaml.
func speaksService(t *testing.T, d *pgtest.Database, one, two, yaml string) (*service, error) {
	t.Helper()
	return speaksLogged(t, d, slog.DiscardHandler, one, two, yaml)
}

func speaksLogged(t *testing.T, d *pgtest.Database, log slog.Handler, one, two, yaml string) (*service, error) {
	t.Helper()
	issuer := func(name, secret, more string) string {
		return "    - {issuer: https://" + name + ".test, audience: moat, secret_file: " + write(t, name, secret) +
			more + "}\n"
	}
	text := "auth:\n  issuers:\n" + issuer("one", oneSecret, one)
	if two != "none" {
		text += issuer("two", twoSecret, two)
	}
	text += "tables: {schemas: [app]}\ntenant: {table: app.tenants, column: tenant_id}\n"
	c, err := config.Parse([]byte(text + yaml))
	if err != nil {
		return nil, err
	}
	s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, d.Roles["app"]),
		log: slog.New(log)})
	if err == nil {
		t.Cleanup(s.close)
	}
	return s, err
}

const speaksMembers = "caller: {table: app.members, role: role, issuer: issuer}\n"

// speaksToken is a token of issuer one or two.
func speaksToken(t *testing.T, issuer string, claims map[string]any) string {
	t.Helper()
	all := jwt.MapClaims{"iss": "https://" + issuer + ".test", "aud": "moat", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).
		SignedString([]byte(map[string]string{"one": oneSecret, "two": twoSecret}[issuer]))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// get asks a service. header is name, value, name, value.
func (s *service) get(path, token string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for pair := range slices.Chunk(header, 2) {
		if pair[0] == "Host" {
			r.Host = pair[1]
			continue
		}
		r.Header.Add(pair[0], pair[1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// titles are those of the documents that an answer holds, or its code.
func titles(w *httptest.ResponseRecorder) string {
	var rows []struct{ Title string }
	var refused struct{ Code string }
	if json.Unmarshal(w.Body.Bytes(), &rows) != nil {
		_ = json.Unmarshal(w.Body.Bytes(), &refused)
		return http.StatusText(w.Code) + " " + refused.Code
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Title)
	}
	return strings.Join(all, ", ")
}

const docs = "/rest/v1/docs?select=title"

// A choice narrows a token: to its own tenant, one below it, or one that its subject is a
// member of.
func TestChooseTenant(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	lookup(t, d, "slug")
	s, err := speaksService(t, d, ", tenants: all", ", tenants: all", speaksMembers+
		"serve: {tenant_from: {host: '*.moat.test', path: /t, column: slug, trusted_proxies: [192.0.2.0/24]}}\n")
	if err != nil {
		t.Fatal(err)
	}
	ann, bob := map[string]any{"sub": "ann"}, map[string]any{"sub": "bob"}
	const header = "Moat-Tenant"
	for name, c := range map[string]struct {
		issuer string
		claims map[string]any
		path   string
		header []string
		want   string
	}{
		"no choice":             {"one", ann, docs, nil, "Forbidden MOAT102"},
		"a member":              {"one", ann, docs, []string{header, acme}, "of Acme"},
		"upper case":            {"one", ann, docs, []string{header, strings.ToUpper(beta)}, "of Beta"},
		"no member":             {"one", bob, docs, []string{header, acme}, "Forbidden MOAT103"},
		"another issuer's":      {"two", ann, docs, []string{header, acme}, "Forbidden MOAT103"},
		"its own issuer's":      {"two", bob, docs, []string{header, beta}, "of Beta"},
		"no subject":            {"one", nil, docs, []string{header, acme}, "Forbidden MOAT103"},
		"unknown":               {"one", ann, docs, []string{header, omega}, "Forbidden MOAT103"},
		"no tenant at all":      {"one", ann, docs, []string{header, "' or true --"}, "Forbidden MOAT103"},
		"suspended, a member":   {"one", ann, docs, []string{header, gamma}, "Forbidden MOAT104"},
		"suspended, a stranger": {"one", bob, docs, []string{header, gamma}, "Forbidden MOAT103"},
		"twice":                 {"one", ann, docs, []string{header, acme, header, acme}, "Bad Request MOAT115"},
		"host":                  {"one", ann, docs, []string{"Host", "beta.moat.test:8080"}, "of Beta"},
		"host, upper case":      {"one", ann, docs, []string{"Host", "Beta.Moat.Test"}, "of Beta"},
		"host of another":       {"one", bob, docs, []string{"Host", "acme.moat.test"}, "Forbidden MOAT103"},
		"host of nobody":        {"one", ann, docs, []string{"Host", "nobody.moat.test"}, "Forbidden MOAT103"},
		"host below":            {"one", ann, docs, []string{"Host", "x.beta.moat.test"}, "Forbidden MOAT102"},
		"path":                  {"one", ann, "/t/beta" + docs, nil, "of Beta"},
		"agreeing":              {"one", ann, "/t/beta" + docs, []string{header, beta, "Host", "beta.moat.test"}, "of Beta"},
		"disagreeing":           {"one", ann, "/t/beta" + docs, []string{header, acme}, "Bad Request MOAT115"},
		"host and path": {"one", ann, "/t/beta" + docs, []string{"Host", "acme.moat.test"},
			"Bad Request MOAT115"},
		"forwarded": {"one", ann, docs, []string{"Host", "inner", "X-Forwarded-Host", "beta.moat.test"}, "of Beta"},
		"the token's own": {"one", map[string]any{"sub": "ann", "tenant_id": acme}, docs, []string{header, acme},
			"of Acme"},
		"not the token's": {"one", map[string]any{"sub": "ann", "tenant_id": acme}, docs, []string{header, beta},
			"Forbidden MOAT103"},
		"not the host's": {"one", map[string]any{"sub": "ann", "tenant_id": acme}, docs,
			[]string{"Host", "beta.moat.test"}, "Forbidden MOAT103"},
	} {
		w := s.get(c.path, speaksToken(t, c.issuer, c.claims), c.header...)
		if got := titles(w); got != c.want {
			t.Errorf("%s: %s, want %s: %s", name, got, c.want, w.Body)
		}
		if !strings.Contains(w.Header().Get("Vary"), header) {
			t.Errorf("%s: Vary: %s", name, w.Header().Get("Vary"))
		}
	}
	// A membership that has ended ends the next request.
	token := speaksToken(t, "one", ann)
	d.Exec(t, "delete from app.members where tenant_id = '"+beta+"' and subject = 'ann'")
	if got := titles(s.get(docs, token, header, beta)); got != "Forbidden MOAT103" {
		t.Errorf("after the membership: %s", got)
	}
}

// lookup makes what the server asks an administrator for.
func lookup(t *testing.T, d *pgtest.Database, column string) {
	t.Helper()
	d.Exec(t, strings.NewReplacer(":app", d.Roles["app"], ":column", column).Replace(`
		create function moat.tenant_by_:column(text) returns uuid language sql stable strict security definer
			set search_path = pg_catalog, pg_temp as $$ select t.id from app.tenants t where t.:column = $1 $$;
		revoke all on function moat.tenant_by_:column(text) from public;
		grant execute on function moat.tenant_by_:column(text) to :app`))
}

// A forwarded host counts from who may forward, and only from there.
func TestForwardedHost(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	lookup(t, d, "slug")
	s, err := speaksService(t, d, "", "none", speaksMembers+
		"serve: {tenant_from: {host: '*.moat.test', column: slug, trusted_proxies: [10.0.0.0/8]}}\n")
	if err != nil {
		t.Fatal(err)
	}
	got := titles(s.get(docs, speaksToken(t, "one", map[string]any{"sub": "ann"}), "Host", "acme.moat.test",
		"X-Forwarded-Host", "beta.moat.test"))
	if got != "of Acme" {
		t.Errorf("a stranger forwards: %s", got)
	}
}

// An issuer speaks for its own tenants only.
func TestIssuersTenants(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestChooseBelow
	d := speaksDatabase(t)
	at := func(issuer, tenant string) (claims map[string]any, by string) {
		return map[string]any{"sub": "x", "tenant_id": tenant}, issuer
	}
	for name, c := range map[string]struct {
		one, two string
		want     map[string]string // issuer and tenant
	}{
		"lists": {", tenants: [" + strings.ToUpper(acme) + ", " + gamma + "]", ", tenants: [" + beta + "]", map[string]string{
			"one " + acme: "of Acme", "two " + beta: "of Beta", "one " + beta: "Forbidden MOAT103",
			"two " + acme: "Forbidden MOAT103", "one " + gamma: "Forbidden MOAT104",
			"two " + gamma: "Forbidden MOAT103", "one " + omega: "Forbidden MOAT103"}},
		"a column": {", tenants: {column: issuer}", ", tenants: {column: issuer}", map[string]string{
			"one " + acme: "of Acme", "two " + beta: "of Beta", "one " + beta: "Forbidden MOAT103",
			"two " + acme: "Forbidden MOAT103", "two " + gamma: "Forbidden MOAT103", "one " + omega: "Forbidden MOAT103"}},
		"all": {", tenants: all", ", tenants: []", map[string]string{
			"one " + acme: "of Acme", "one " + beta: "of Beta", "two " + beta: "Forbidden MOAT103"}},
	} {
		s, err := speaksService(t, d, c.one, c.two, "")
		if err != nil {
			t.Fatal(name, err)
		}
		for who, want := range c.want {
			issuer, tenant, _ := strings.Cut(who, " ")
			claims, by := at(issuer, tenant)
			if got := titles(s.get(docs, speaksToken(t, by, claims))); got != want {
				t.Errorf("%s: %s: %s, want %s", name, who, got, want)
			}
		}
	}
}

// The tree lets a token's tenant choose those below it, and nobody else's.
func TestChooseBelow(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTenantLookup
	d := speaksDatabase(t)
	s, err := speaksService(t, d, "", "none", "")
	if err != nil {
		t.Fatal(err)
	}
	token := speaksToken(t, "one", map[string]any{"sub": "ann", "tenant_id": acme})
	for _, more := range []string{"", speaksMembers} {
		c := s.config
		parsed, err := config.Parse([]byte(more))
		if err != nil {
			t.Fatal(err)
		}
		c.Tenant.Parent, c.Caller = "parent_id", parsed.Caller
		c.Roles.Tree = d.Roles["app"]
		wide, err := openService(t.Context(), &service{config: c, appURL: s.appURL, log: s.log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(wide.close)
		for tenant, want := range map[string]string{delta: "of Delta", acme: "of Acme", beta: "Forbidden MOAT103",
			gamma: "Forbidden MOAT103", omega: "Forbidden MOAT103"} {
			if got := titles(wide.get(docs, token, "Moat-Tenant", tenant)); got != want {
				t.Errorf("%q: %s: %s, want %s", more, tenant, got, want)
			}
		}
		up := speaksToken(t, "one", map[string]any{"sub": "ann", "tenant_id": delta})
		if got := titles(wide.get(docs, up, "Moat-Tenant", acme)); got != "Forbidden MOAT103" {
			t.Errorf("%q: from below: %s", more, got)
		}
	}
}

// GET /tenants lists the caller's own.
func TestOwnTenants(t *testing.T) {
	t.Parallel()
	s, err := speaksService(t, speaksDatabase(t), ", tenants: all", ", tenants: ["+beta+"]", speaksMembers)
	if err != nil {
		t.Fatal(err)
	}
	list := func(issuer string, claims map[string]any, path string) string {
		return strings.TrimSpace(s.get(path, speaksToken(t, issuer, claims)).Body.String())
	}
	const a = `{"tenant":"` + acme + `","name":"Acme","role":"admin","suspended":false}`
	const b = `{"tenant":"` + beta + `","name":"Beta","role":"viewer","suspended":false}`
	const c = `{"tenant":"` + gamma + `","name":"Gamma","role":"admin","suspended":true}`
	ann := map[string]any{"sub": "ann"}
	for got, want := range map[string]string{
		list("one", ann, "/tenants"):                                             "[" + a + "," + b + "," + c + "]",
		list("one", ann, "/tenants?after="+acme):                                 "[" + b + "," + c + "]",
		list("one", map[string]any{"sub": "ann", "tenant_id": acme}, "/tenants"): "[" + a + "]",
		list("two", map[string]any{"sub": "bob"}, "/tenants"): "[" + strings.Replace(b, "viewer", "admin", 1) +
			"]",
		list("one", map[string]any{"sub": "mallory"}, "/tenants"):                    "[]",
		list("two", ann, "/tenants"):                                                 "[]",
		list("one", map[string]any{}, "/tenants"):                                    "[]",
		list("one", map[string]any{"sub": "mallory", "tenant_id": acme}, "/tenants"): "[]",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Where the policies show a caller no membership before it has a tenant, no list is an empty
// one.
func TestTenantsCannotBeListed(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTenantLookup
	d := speaksDatabase(t)
	d.Exec(t, `drop policy caller on app.members; create policy wall on app.members as restrictive using
		(tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid))`)
	for _, yaml := range []string{speaksMembers, ""} {
		s, err := speaksService(t, d, "", "none", yaml)
		if err != nil {
			t.Fatal(err)
		}
		ann := speaksToken(t, "one", map[string]any{"sub": "ann"})
		if got := titles(s.get("/tenants", ann)); got != "Not Implemented MOAT116" {
			t.Errorf("%q: %s", yaml, got)
		}
		want := map[bool]string{true: "of Acme", false: "Forbidden MOAT102"}[yaml != ""]
		if got := titles(s.get(docs, ann, "Moat-Tenant", acme)); got != want {
			t.Errorf("%q: a choice: %s", yaml, got)
		}
	}
}

// Where nothing keeps a freed name from another tenant the server says so as it starts, and
// no more once it is kept.
func TestFreedNamesAreWarnedOf(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTenantLookup
	d := speaksDatabase(t)
	lookup(t, d, "org")
	start := func() (string, *policy.View) {
		var log bytes.Buffer
		s, err := speaksLogged(t, d, slog.NewTextHandler(&log, nil), ", tenant_lookup: org", "none", "")
		if err != nil {
			t.Fatal(err)
		}
		s.close()
		return log.String(), s.schema.loaded.Load()
	}
	log, view := start()
	if !strings.Contains(log, "column=org reason=\"there is no trigger moat_tenant_name_org\"") {
		t.Errorf("without the trigger: %s", log)
	}
	d.Exec(t, "create table moat.tenant_name (source name, name bytea, tenant text, primary key (source, name));"+
		strings.Join(view.NameHelper("org").Create(d.Role(t, "definer", "NOLOGIN BYPASSRLS")), ";"))
	if log, _ = start(); strings.Contains(log, "freed") {
		t.Errorf("with the trigger: %s", log)
	}
}

// A token with the issuer's name of a tenant enters the tenant that has the name now, and
// exactly that name.
func TestTenantLookup(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	const one = ", tenant_lookup: org"
	_, err := speaksService(t, d, one, "none", "")
	var missing *api.LookupError
	if !errors.As(err, &missing) {
		t.Fatalf("without a function: %v", err)
	}
	d.Exec(t, strings.ReplaceAll(strings.ReplaceAll(missing.SQL, "CREATE ROLE moat_definer NOLOGIN BYPASSRLS;", ""),
		"moat_definer", d.Role(t, "definer", "NOLOGIN BYPASSRLS")))
	s, err := speaksService(t, d, one, "none", "")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(name any) string {
		return titles(s.get(docs, speaksToken(t, "one", map[string]any{"sub": "ann", "tenant_id": name})))
	}
	for _, c := range []struct {
		name any
		want string
	}{
		{"org_Acme", "of Acme"}, {"org_acme", "Forbidden MOAT103"}, {"org_Acme ", "Forbidden MOAT103"},
		{"' or true --", "Forbidden MOAT103"}, {acme, "Forbidden MOAT103"}, {"", "Forbidden MOAT102"},
		{[]string{"org_Acme"}, "of Acme"}, {map[string]any{"org_Acme": 1}, "of Acme"},
		{[]string{"org_Acme", "org_Beta"}, "Unauthorized PGRST303"}, {42, "Unauthorized PGRST303"},
	} {
		if got := ask(c.name); got != c.want {
			t.Errorf("%v: %s, want %s", c.name, got, c.want)
		}
	}
	// The name moves while it is remembered: its old tenant is shut at once.
	d.Exec(t, `update app.tenants set org = 'gone' where name = 'Acme';
		update app.tenants set org = 'org_Acme' where name = 'Delta'`)
	if got := ask("org_Acme"); got != "Forbidden MOAT103" && got != "of Delta" {
		t.Errorf("after the name has moved: %s", got)
	}
	if got := ask("org_Acme"); got != "of Delta" {
		t.Errorf("after that: %s", got)
	}
}

// What would leave open who speaks for whom does not start.
func TestSpeaksFailsClosed(t *testing.T) {
	t.Parallel()
	d := speaksDatabase(t)
	d.Exec(t, "grant update (plain, org) on app.tenants to "+d.Roles["app"])
	tried := 0
	for want, c := range map[string][3]string{
		"which tenants it speaks for":          {", tenants: all", "", ""},
		"a subject of one of them":             {", tenants: all", ", tenants: all", "caller: {table: app.members}"},
		"no such column":                       {", tenants: {column: nope}", "none", ""},
		"role «app» may UPDATE it":             {", tenants: {column: plain}", "none", ""},
		"it is not unique":                     {", tenant_lookup: name", "none", ""},
		"column org: role «app» may UPDATE it": {", tenant_lookup: org", "none", ""},
		"two names can be the same":            {", tenant_lookup: suspended", "none", ""},
		"there is no function for it":          {", tenant_lookup: slug", "none", ""},
		"write all, a list":                    {", tenants: some", "none", ""},
		"not a valid uuid":                     {", tenants: [acme]", "none", ""},
		"no column nope":                       {"", "none", "caller: {table: app.members, issuer: nope}"},
		"write it as *.example.com":            {"", "none", "serve: {tenant_from: {host: '*'}}"},
		"neither is read":                      {"", "none", "serve: {tenant_from: {column: slug}}"},
	} {
		if tried++; testing.Short() && tried > 6 {
			break // in another order each time
		}
		want = strings.ReplaceAll(want, "«app»", d.Roles["app"])
		if _, err := speaksService(t, d, c[0], c[1], c[2]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", want, err)
		}
	}
}
