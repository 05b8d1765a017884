package browser

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/idp"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// saasSQL is a schema that is nobody's sample: as many teams write theirs.
//
//go:embed testdata/saas.sql
var saasSQL string

const saasModel = `
tenant: {column: organization_id, type: uuid, setting: app.current_tenant, table: public.organizations, key: id}
tables:
  schemas: [public]
  ignore: [public.schema_migrations]
  members: {public.users: {through: public.memberships, person: user_id, columns: [id, name, email]}}
caller: {table: public.memberships, subject: user_id, tenant: organization_id, role: role, mode: active}
`

const (
	acme   = "aaaaaaaa-0000-4000-8000-000000000001"
	globex = "bbbbbbbb-0000-4000-8000-000000000002"
)

// saas is a portal over that schema, closed by moat protect, where memberships say who may
// come in.
type saas struct {
	admin    *pgxpool.Pool
	provider *idp.Provider
	people   map[string]string // subjects by e-mail address
	url      string
}

func newSaas(t *testing.T) *saas {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(url string) string { return strings.Replace(url, "/demo?", "/saas?", 1) }
	if at(shared.demo.AdminURL) == shared.demo.AdminURL {
		t.Fatalf("no database to replace in %s", shared.demo.AdminURL)
	}
	_, err := shared.admin.Exec(ctx, "create database saas")
	must(err)
	s := &saas{people: map[string]string{}}
	s.admin, err = pgxpool.New(ctx, at(shared.demo.AdminURL))
	must(err)
	t.Cleanup(s.admin.Close)
	conn, err := pgx.Connect(ctx, at(shared.demo.AdminURL))
	must(err)
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, saasSQL).ReadAll()
	must(err)
	c, err := config.Parse([]byte(saasModel))
	must(err)
	model := c.Model()
	plan, _, unseen, err := protect.Look(ctx, conn, model, protect.Config{Hidden: []string{"public.audit_log"},
		Paths: map[string]string{"public.task_tags": "task_tags_task_id_fkey"}})
	must(err)
	must(unseen)
	_, err = protect.Apply(ctx, func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, at(shared.demo.AdminURL))
	}, plan, protect.ApplyOptions{Until: protect.GroupEnforce})
	must(err)
	_, err = conn.PgConn().Exec(ctx, `grant usage on schema public to moat_app, moat_operator;
		grant select, insert, update, delete on projects, tasks, comments, tags, task_tags, invoices,
			org_settings to moat_app;
		grant select on organizations, memberships, audit_log to moat_app;
		grant usage on all sequences in schema public to moat_app`).ReadAll()
	must(err)
	s.serve(t, at(shared.demo.ApplicationURL), at(shared.demo.OperatorURL), model)
	return s
}

func (s *saas) serve(t *testing.T, appURL, operatorURL string, model tenancy.Options) {
	t.Helper()
	ctx := context.Background()
	db, err := moat.Open(ctx, appURL, &moat.Options{MaxConns: 4, SubjectSetting: "app.subject", RoleSetting: "app.role",
		ClaimsSetting: "request.jwt.claims"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	operator, err := pgxpool.New(ctx, operatorURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(operator.Close)
	conn, err := pgx.Connect(ctx, appURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	read, err := tenancy.Read(ctx, conn, model)
	if err != nil {
		t.Fatal(err)
	}
	s.provider = s.provide(t)
	verifier, err := auth.New(ctx, auth.Config{AllowWithoutTenant: true, Issuers: []auth.IssuerConfig{{
		Issuer: s.provider.Issuer, Audience: []string{"portal"}, Discovery: true}}})
	if err != nil {
		t.Fatal(err)
	}
	members := serving.Membership{Table: catalog.QName{Schema: "public", Name: "memberships"}, Subject: "user_id",
		Tenant: "organization_id", Role: "role"}
	p, err := portal.New(portal.Config{DB: db, Verifier: verifier, ProviderVerifier: verifier, Sessions: operator,
		SignIn:     []portal.Provider{{Issuer: s.provider.Issuer, ClientID: "portal", ClientSecret: "of the portal"}},
		SessionKey: []byte("the key of the sessions over another schema"),
		Door:       serving.NewDoor(db, serving.Admission{Membership: members}),
		People:     &portal.People{Admin: s.admin.Config().ConnConfig},
		Source:     func(context.Context) (*policy.View, error) { return read, nil },
		Logger:     slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	// As an administrator does who is shown what the role may not create.
	var missing *portal.SessionsNotPreparedError
	if err := p.Prepare(ctx); !errors.As(err, &missing) {
		t.Fatal(err)
	}
	if _, err := s.admin.Exec(ctx, missing.SQL); err != nil {
		t.Fatal(err)
	}
	if err := p.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	s.url = server.URL
}

// provide starts the OpenID provider where the people of this schema sign in.
func (s *saas) provide(t *testing.T) *idp.Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	p, err := idp.New(idp.Config{Issuer: "http://" + server.Listener.Addr().String(), Client: "portal",
		Secret:  "of the portal",
		Back:    func(to string) bool { return strings.HasPrefix(to, s.url+"/portal/") },
		Subject: func(email string) string { return s.people[email] }})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// signIn signs a person in from the page that is open.
func (s *saas) signIn(b *tab, email string) {
	b.t.Helper()
	b.follow(".gate a.button")
	b.signInAt(email, email)
}

func (s *saas) query(t *testing.T, sql string, args ...any) (out string) {
	t.Helper()
	if err := s.admin.QueryRow(context.Background(), sql, args...).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// A day and the people of a client, on a schema that is not the demo's.
func TestAnotherSchema(t *testing.T) {
	t.Parallel()
	s := newSaas(t)
	owner := s.query(t, `select user_id::text from memberships where organization_id = $1 and role = 'owner'`, acme)
	b := newTab(t)
	b.base = s.url
	const newbie = "dddddddd-0000-4000-8000-00000000000d"
	s.people = map[string]string{"owner@example.com": owner, "new@example.com": newbie, "other@example.com": newbie}
	b.open("/sign-in")
	s.signIn(b, "owner@example.com")
	if b.where() == "/portal/accounts" {
		b.follow(`input[value="` + acme + `"] + button`)
	}
	nav := b.text(".side nav")
	if !strings.Contains(nav, "Tasks") || !strings.Contains(nav, "Org settings") {
		t.Fatalf("the navigation is %s", nav)
	}
	b.everyLook("saas-tasks", "/t/tasks?f.status=todo")
	b.everyLook("saas-task-tags", "/t/task_tags")
	b.everyLook("saas-settings", "/t/org_settings")
	b.everyLook("saas-audit-log", "/t/audit_log")
	b.everyLook("saas-people", "/people")
	b.look(1440, false)

	// Several tasks are done at once; the page says how many before.
	b.open("/t/tasks?f.status=review&f.title.has=project+1")
	for i := range 2 {
		b.must(clickAll(`#results tbody tr:nth-child(` + string(rune('1'+i)) + `) td.box input`)...)
	}
	b.must(setValue("#bulk-column", "estimate"))
	b.follow(`#bulk button[value="change"]`)
	b.has("h1", "Change 2 tasks?")
	b.everyPage("saas-bulk")
	b.fill("#field-estimate", "7.25")
	b.follow(".form .button.main")
	b.has(".notice.good", "2 tasks changed")
	if n := s.query(t, "select count(*)::text from tasks where estimate = 7.25"); n != "2" {
		t.Errorf("%s tasks were changed", n)
	}

	// The owner invites; who comes with another address is sent away, who comes with this one
	// belongs to the client, and to no other.
	b.open("/people")
	b.fill("#email", "new@example.com")
	b.must(setValue("#role", "member"))
	b.follow(`form[action$="/invite"] button`)
	b.everyPage("saas-invited")
	link := strings.TrimPrefix(b.text("#link"), s.url+"/portal")
	for _, email := range []string{"other@example.com", "new@example.com"} {
		c := newTab(t)
		c.base = s.url
		c.open(link)
		s.signIn(c, email)
		if email != "new@example.com" {
			c.has("h1", "does not work")
			continue
		}
		c.has("h1", "Join Acme Corp")
		c.everyPage("saas-invitation")
		c.follow(".card .button.main")
		c.has(".who", "Acme Corp")
		c.open("/t/tasks?q=Globex")
		c.has("#results", "Nothing matches")
	}
	if n := s.query(t, `select string_agg(organization_id::text || role, ' ') from memberships where user_id = $1`,
		newbie); n != acme+"member" {
		t.Errorf("the memberships are %s", n)
	}
}
