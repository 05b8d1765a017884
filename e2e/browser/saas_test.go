package browser

import (
	"context"
	_ "embed"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

const acme = "aaaaaaaa-0000-4000-8000-000000000001"

// saas is a portal over that schema, closed by moat protect, where memberships say who may
// come in, and clients sign in at a provider.
type saas struct {
	admin *pgxpool.Pool
	desk  *desk
	url   string
}

func newSaas(t *testing.T) *saas {
	t.Helper()
	ctx := context.Background()
	at := func(url string) string { return strings.Replace(url, "/demo?", "/saas?", 1) }
	if at(shared.demo.AdminURL) == shared.demo.AdminURL {
		t.Fatalf("no database to replace in %s", shared.demo.AdminURL)
	}
	_, err := shared.admin.Exec(ctx, "create database saas")
	must(t, err)
	s := &saas{}
	s.admin, err = pgxpool.New(ctx, at(shared.demo.AdminURL))
	must(t, err)
	t.Cleanup(s.admin.Close)
	conn, err := pgx.Connect(ctx, at(shared.demo.AdminURL))
	must(t, err)
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, saasSQL).ReadAll()
	must(t, err)
	c, err := config.Parse([]byte(saasModel))
	must(t, err)
	model := c.Model()
	plan, _, unseen, err := protect.Look(ctx, conn, model, protect.Config{Hidden: []string{"public.audit_log"},
		Paths: map[string]string{"public.task_tags": "task_tags_task_id_fkey"}})
	must(t, err)
	must(t, unseen)
	_, err = protect.Apply(ctx, func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, at(shared.demo.AdminURL))
	}, plan, protect.ApplyOptions{Until: protect.GroupEnforce})
	must(t, err)
	_, err = conn.PgConn().Exec(ctx, `grant usage on schema public to moat_app, moat_operator;
		grant select, insert, update, delete on projects, tasks, comments, tags, task_tags, invoices,
			org_settings to moat_app;
		grant select on organizations, memberships, audit_log to moat_app;
		grant usage on all sequences in schema public to moat_app;
		insert into task_tags (organization_id, task_id, tag_id) select organization_id, t.id, g.id
			from tasks t join tags g using (organization_id)
			where organization_id = '`+acme+`' and t.id % 50 = 0`).ReadAll()
	must(t, err)
	s.serve(t, at(shared.demo.ApplicationURL), at(shared.demo.OperatorURL), model)
	return s
}

func (s *saas) serve(t *testing.T, appURL, operatorURL string, model tenancy.Options) {
	t.Helper()
	ctx := context.Background()
	db, err := moat.Open(ctx, appURL, &moat.Options{MaxConns: 4, SubjectSetting: "app.subject", RoleSetting: "app.role",
		ClaimsSetting: "request.jwt.claims"})
	must(t, err)
	t.Cleanup(db.Close)
	operator, err := pgxpool.New(ctx, operatorURL)
	must(t, err)
	t.Cleanup(operator.Close)
	conn, err := pgx.Connect(ctx, appURL)
	must(t, err)
	defer conn.Close(ctx)
	read, err := tenancy.Read(ctx, conn, model)
	must(t, err)
	s.desk, err = deskOf(operator, s.admin.Config().ConnConfig, appURL, model)
	must(t, err)
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	issuer := s.provider(t)
	verifier, err := auth.New(ctx, auth.Config{AllowWithoutTenant: true, Issuers: []auth.IssuerConfig{{Issuer: issuer,
		Audience: []string{"portal"}, Discovery: true}}})
	must(t, err)
	members := serving.Membership{Table: catalog.QName{Schema: "public", Name: "memberships"}, Subject: "user_id",
		Tenant: "organization_id", Role: "role"}
	p, err := portal.New(portal.Config{DB: db, Verifier: verifier, ProviderVerifier: verifier, Sessions: operator,
		SignIn:     []portal.Provider{{Issuer: issuer, ClientID: "portal", ClientSecret: "of the portal"}},
		SessionKey: []byte("the key of the sessions over another schema"),
		Door:       serving.NewDoor(db, serving.Admission{Membership: members}),
		People:     &portal.People{Admin: s.admin.Config().ConnConfig}, Operator: &s.desk.Operator,
		Source: func(context.Context) (*policy.View, error) { return read, nil },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	must(t, err)
	t.Cleanup(p.Close)
	must(t, p.Prepare(ctx))
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// provider starts an OpenID provider that knows people by their id in the table of users.
func (s *saas) provider(t *testing.T) (issuer string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer = "http://" + server.Listener.Addr().String()
	p, err := idp.New(idp.Config{Issuer: issuer, Name: "Saas ID", Client: "portal", Secret: "of the portal",
		Back: func(to string) bool { return strings.HasPrefix(to, s.url+"/portal/sign-in") },
		Subject: func(email string) string {
			return s.query(t, `select coalesce((select id from users u where u.email = $1), md5($1)::uuid)::text`, email)
		}})
	must(t, err)
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return issuer
}

// comes is a visitor who signs in at the provider, from a page of the portal on.
func (s *saas) comes(t *testing.T, from, email string) *tab {
	t.Helper()
	b := newTab(t)
	b.base = s.url
	b.open(from)
	b.follow(".gate a.button")
	b.signInAt("Somebody New", email)
	return b
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
	owner := s.query(t, `select u.email from memberships m join users u on u.id = m.user_id
		where m.organization_id = $1 and m.role = 'owner'`, acme)
	b := s.comes(t, "/sign-in", owner)
	b.has("h1", "Choose an account") // the owner belongs to several
	b.everyPage("saas-accounts")
	b.follow(`input[value="` + acme + `"] + button`)
	b.has(".who", "Acme Corp")
	b.has(".who", "Somebody New · "+owner)
	nav := b.text(".side nav")
	if !strings.Contains(nav, "Tasks") || !strings.Contains(nav, "Org settings") {
		t.Fatalf("the navigation is %s", nav)
	}
	for name, path := range map[string]string{"dashboard": "/dashboard", "tasks": "/t/tasks?f.status=todo",
		"projects": "/t/projects", "invoices": "/t/invoices", "task-tags": "/t/task_tags", "settings": "/t/org_settings",
		"audit-log": "/t/audit_log", "people": "/people", "data": "/data", "access": "/access", "search": "/search?q=docs"} {
		b.everyLook("saas-"+name, path)
	}
	b.look(1440, false)

	// A link table shows what it links, and leads to both.
	b.open("/t/task_tags")
	link := `document.querySelector("#results tbody tr")`
	for _, want := range []string{"Task ", "of Acme Corp project "} {
		b.has("#results tbody", want)
	}
	if tags := eval[bool](b, `/(bug|feature|urgent|docs)/.test(`+link+`.innerText)`); !tags {
		t.Errorf("a link does not say its tag: %s", eval[string](b, link+".innerText"))
	}
	for _, to := range []string{"/t/tasks/r/", "/t/tags/r/"} {
		if !eval[bool](b, link+`.querySelector('a[href*="`+to+`"]') !== null`) {
			t.Errorf("a link does not lead to %s", to)
		}
	}
	// An audit log is only read, an amount has its currency, and a table by tenant is a page of settings.
	b.open("/t/audit_log")
	if n := eval[int](b, `document.querySelectorAll("#results td.box, a[href$='/new']").length`); n > 0 {
		t.Errorf("an audit log offers %d ways to change it", n)
	}
	b.open("/t/invoices")
	b.has("#results tbody", "€")
	b.open("/t/org_settings")
	b.has("main", "Settings")

	s.changeTasks(t, b)
	s.invite(t, b)
	s.lookAsMember(t)
	b.open("/access")
	b.has("table", "Ticket 99: who sees what")

	// Signing out ends at the provider too.
	b.click(".leave button")
	b.until(`location.pathname === "/portal/sign-in" && document.readyState === "complete"`)
	b.open("/t/tasks")
	b.has(".gate", "Sign in")
}

// changeTasks changes several tasks at once; the page says how many before.
func (s *saas) changeTasks(t *testing.T, b *tab) {
	t.Helper()
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
}

// invite has the owner invite: who comes with another address is sent away, who comes with this
// one belongs to the client, and to no other.
func (s *saas) invite(t *testing.T, b *tab) {
	t.Helper()
	b.open("/people")
	b.fill("#email", "new@example.com")
	b.must(setValue("#role", "member"))
	b.follow(`form[action$="/invite"] button`)
	b.everyPage("saas-invited")
	link := strings.TrimPrefix(b.text("#link"), s.url+"/portal")
	s.comes(t, link, "other@example.com").has("h1", "does not work")
	c := s.comes(t, link, "new@example.com")
	c.has("h1", "Join Acme Corp")
	c.everyPage("saas-invitation")
	c.follow(".card .button.main")
	c.has(".who", "Acme Corp")
	c.open("/t/tasks?q=Globex")
	c.has("#results", "Nothing matches")
	if n := s.query(t, `select string_agg(organization_id::text || m.role, ' ') from memberships m
		join users u on u.id = m.user_id where u.email = 'new@example.com'`); n != acme+"member" {
		t.Errorf("the memberships are %s", n)
	}
}

// lookAsMember has an operator look at a client whose rows the database shows to members only.
func (s *saas) lookAsMember(t *testing.T) {
	t.Helper()
	token, err := s.desk.sign("olga", time.Hour)
	must(t, err)
	b := newTab(t)
	b.base = s.url
	b.open("/operator/sign-in")
	b.fill("#reason", "Ticket 99")
	b.fill("#token", token)
	b.follow(".gate .button.main")
	b.open("/operator/tenants/" + acme)
	b.has("#view-member", "new@example.com (member)")
	b.everyPage("saas-operator-client")
	b.fill("#view-reason", "Ticket 99: who sees what")
	b.follow(`form[action$="/view"] button`)
	b.has(".banner", "Viewing as a member of Acme Corp")
	b.open("/t/tasks")
	b.has("#results tbody", "of Acme Corp project")
	b.everyPage("saas-view-as")
}
