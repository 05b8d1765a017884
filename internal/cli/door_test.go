package cli

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const (
	acme  = "11111111-1111-4111-8111-111111111111"
	beta  = "22222222-2222-4222-8222-222222222222" // suspended in every way
	gamma = "33333333-3333-4333-8333-333333333333" // not a tenant
)

// doorDatabase has tenants with a column of each kind that can suspend, members, and a
// document that only an administrator of the tenant sees.
func doorDatabase(t *testing.T) *pgtest.Database {
	t.Helper()
	return pgtest.Template(t, "door", func(t testing.TB, d *pgtest.Database) {
		d.Exec(t, strings.NewReplacer(":app", d.AppRole(t), ":acme", acme, ":beta", beta).Replace(`
			create schema app; grant usage on schema app to :app;
			create type app.state as enum ('active', 'Disabled');
			create domain app.short as varchar(20); create domain app.shorter as app.short;
			create table app.tenants (id uuid primary key, name text not null, deleted_at timestamptz, flag boolean, closed date,
				word varchar(20) default 'active', fixed char(12) default 'active', state app.state default 'active',
				nested app.shorter default 'active');
			create table app.members (tenant_id uuid references app.tenants, subject text, role text,
				primary key (tenant_id, subject));
			create table app.docs (tenant_id uuid references app.tenants, id int, title text, for_role text not null,
				primary key (tenant_id, id));
			insert into app.tenants (id, name) values (':acme', 'Acme');
			insert into app.tenants
				values (':beta', 'Beta', now(), true, '2026-01-01', 'suspended', 'suspended', 'Disabled', 'DELETED');
			insert into app.members values (':acme', 'alice', 'admin'), (':acme', 'adam', null), (':beta', 'bob', 'admin');
			insert into app.docs select id, 1, 'of ' || name, '' from app.tenants;
			insert into app.docs select id, 2, 'hidden', 'admin' from app.tenants;
			create policy tenant_isolation on app.docs as restrictive
				using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
			create policy tenant_access on app.docs using (for_role in ('', current_setting('app.role', true)));
			alter table app.docs enable row level security; alter table app.docs force row level security;
			grant select on all tables in schema app to :app; grant update on app.docs to :app`))
	})
}

// doorService serves the database with what a case adds to moat.yaml.
func doorService(t *testing.T, d *pgtest.Database, yaml string) *service {
	t.Helper()
	secret := write(t, "secret", strings.Repeat("k", 32))
	c, err := config.Parse([]byte(strings.ReplaceAll(goodIssuer, "%s", secret) +
		"\ntables: {schemas: [app]}\nportal: {paste_tokens: true}\n" + yaml))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, d.Roles["app"]), log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func doorToken(t *testing.T, tenant, subject, role string) string {
	t.Helper()
	key := auth.Secret(strings.Repeat("k", 32))
	signer, err := auth.NewSigner(auth.SignerConfig{Key: key, Issuer: "https://id.test", Audience: "moat"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{Tenant: moat.Tenant(tenant), Subject: subject, Role: role}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// viaAPI asks the API for the documents.
func (s *service) viaAPI(token string) (status int, body string) {
	r := httptest.NewRequest(http.MethodGet, "/rest/v1/docs?select=title", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// signIn signs in to the portal; the cookie is nil when it refuses.
func (s *service) signIn(token string) (status int, cookie *http.Cookie) {
	r := httptest.NewRequest(http.MethodPost, "/portal/sign-in", strings.NewReader(url.Values{"token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if all := w.Result().Cookies(); len(all) > 0 {
		cookie = all[0]
	}
	return w.Code, cookie
}

// viaPortal asks the portal for the documents.
func (s *service) viaPortal(cookie *http.Cookie) (status int, body string) {
	r := httptest.NewRequest(http.MethodGet, "/portal/t/docs/export", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

const members = "caller: {table: app.members, role: role}"

// Whom the API refuses, the portal does not sign in, whatever the column that suspends
// looks like.
func TestOneDoor(t *testing.T) {
	t.Parallel()
	d := doorDatabase(t)
	cases := []struct {
		yaml, tenant, subject string
		code                  string // "" for who may come in
	}{
		{"", acme, "alice", ""},
		{"", beta, "bob", "MOAT104"}, // the usual column deleted_at
		{"", gamma, "alice", "MOAT103"},
		{members, acme, "alice", ""},
		{members, acme, "mallory", "MOAT103"},
		{members, acme, "", "MOAT103"},
		{members, acme, "bob", "MOAT103"}, // a member of another tenant
		{members, beta, "bob", "MOAT104"},
		{members, gamma, "alice", "MOAT103"},
	}
	columns := []string{"flag", "state", "closed", "word", "fixed", "nested"}
	if testing.Short() {
		columns = columns[:2]
	}
	for _, column := range columns {
		yaml := "tenant: {suspended_column: " + column + "}"
		cases = append(cases, cases[0], cases[1])
		cases[len(cases)-2].yaml, cases[len(cases)-1].yaml = yaml, yaml
	}
	services := map[string]*service{}
	for _, c := range cases {
		if services[c.yaml] == nil {
			services[c.yaml] = doorService(t, d, c.yaml)
		}
		s, token := services[c.yaml], doorToken(t, c.tenant, c.subject, "")
		name := fmt.Sprintf("%q: %s as %q", c.yaml, c.tenant, c.subject)
		status, body := s.viaAPI(token)
		signed, cookie := s.signIn(token)
		_, file := s.viaPortal(cookie)
		if c.code == "" {
			if status != 200 || signed != 303 || !strings.Contains(body, "of Acme") || !strings.Contains(file, "of Acme") {
				t.Errorf("%s: API %d %s, sign-in %d, export %q", name, status, body, signed, file)
			}
			continue
		}
		if status != 403 || !strings.Contains(body, c.code) {
			t.Errorf("%s: API %d %s, want %s", name, status, body, c.code)
		}
		if signed != 403 || cookie != nil || strings.Contains(file, "of ") {
			t.Errorf("%s: sign-in %d %v, export %q", name, signed, cookie, file)
		}
	}
}

// A session ends with the membership and with the tenant, and whoever learns of it tells
// the API and the portal alike.
func TestSessionsDoNotOutliveAdmission(t *testing.T) {
	t.Parallel()
	for what, sql := range map[string]string{
		"membership": "delete from app.members where subject = 'alice'",
		"suspension": "update app.tenants set deleted_at = now()",
		"tenant":     "update app.tenants set id = '" + gamma + "' where id = '" + acme + "'",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := doorDatabase(t)
			d.Exec(t, `alter table app.members drop constraint members_tenant_id_fkey;
				alter table app.docs drop constraint docs_tenant_id_fkey`)
			s := doorService(t, d, members)
			token := doorToken(t, acme, "alice", "")
			_, cookie := s.signIn(token)
			if status, _ := s.viaPortal(cookie); status != 200 {
				t.Fatalf("before: %d", status)
			}
			d.Exec(t, sql)
			s.api.FlushTenants()
			api, _ := s.viaAPI(token)
			portal, body := s.viaPortal(cookie)
			if api != 403 || portal != 403 || strings.Contains(body, "of Acme") {
				t.Errorf("API %d, portal %d %s", api, portal, body)
			}
		})
	}
}

// With a column for the role, the membership says it in the portal too, and not the token.
func TestMembershipSaysTheRole(t *testing.T) {
	t.Parallel()
	s := doorService(t, doorDatabase(t), members)
	for _, c := range []struct {
		subject, role string
		sees          bool
	}{{"alice", "", true}, {"alice", "viewer", true}, {"adam", "admin", false}} {
		token := doorToken(t, acme, c.subject, c.role)
		_, cookie := s.signIn(token)
		_, body := s.viaAPI(token)
		_, file := s.viaPortal(cookie)
		if !strings.Contains(body, "of Acme") || !strings.Contains(file, "of Acme") ||
			strings.Contains(body, "hidden") != c.sees || strings.Contains(file, "hidden") != c.sees {
			t.Errorf("%s with a token for %q: API %s, portal %q", c.subject, c.role, body, file)
		}
	}
}

// roleSchema has two tables that reach their tenant through another one. Each is isolated
// for one of the two roles alone.
const roleSchema = `
	create schema app; grant usage on schema app to :web, :analytics;
	create table app.tenants (id uuid primary key, name text);
	create table app.leads (tenant_id uuid references app.tenants, id int, name text, primary key (tenant_id, id));
	create table app.invoices (tenant_id uuid references app.tenants, id int, total int, primary key (tenant_id, id));
	create table app.notes (lead_tenant uuid not null, lead_id int not null, id int primary key,
		foreign key (lead_tenant, lead_id) references app.leads);
	create table app.marks (lead_tenant uuid not null, lead_id int not null, id int primary key,
		foreign key (lead_tenant, lead_id) references app.leads);
	create policy isolation on app.leads as restrictive using (:own);
	create policy access on app.leads using (true);
	create policy isolation on app.invoices as restrictive using (:own);
	create policy access on app.invoices using (true);
	create policy of_web on app.notes to :web using (:through);
	create policy of_analytics on app.notes to :analytics using (true);
	create policy of_web on app.marks to :web using (true);
	create policy of_analytics on app.marks to :analytics using (:through);
	do $$ declare t text; begin foreach t in array array['leads', 'invoices', 'notes', 'marks'] loop
		execute format('alter table app.%I enable row level security; alter table app.%1$I force row level security', t);
	end loop; end $$;
	grant select on all tables in schema app to :web;
	grant select on app.leads, app.notes, app.marks to :analytics;
	insert into app.tenants values (':acme', 'Acme')`

// What is shown is what the role of the connection may reach, whatever other roles there
// are: "analytics", first by name, may read one table only, and through another policy.
func TestRoleOfTheConnectionServes(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	web, analytics := d.AppRole(t), d.Role(t, "analytics", "LOGIN")
	d.Exec(t, strings.NewReplacer(":web", web, ":analytics", analytics, ":acme", acme,
		":own", "tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid)",
	).Replace(strings.ReplaceAll(roleSchema, ":through", `exists (select from app.leads l
			where l.tenant_id = lead_tenant and l.id = lead_id and l.:own)`)))
	d.Roles["app"] = web
	s := doorService(t, d, "")
	_, cookie := s.signIn(doorToken(t, acme, "", ""))
	for table, want := range map[string]int{"leads": 200, "invoices": 200, "notes": 200, "marks": 404} {
		r := httptest.NewRequest(http.MethodGet, "/portal/t/"+table, nil)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", table, w.Code, want)
		}
	}
}
