package portal

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/demo"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/tenancy"
)

//go:embed testdata/shop.sql
var shop string

const (
	clientSecret   = "the secret that signs the tokens of clients"
	operatorSecret = "the secret that signs the tokens of operators"
)

// world is a portal over the shop, for two accounts: 1 (A) and 2 (B).
type world struct {
	t        *testing.T
	db       *pgtest.Database
	admin    *pgx.Conn
	config   Config
	portal   *Portal
	server   *httptest.Server
	client   *auth.Signer
	operator *auth.Signer
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	return newWorldOf(t, shop, nil, change)
}

// newOffice is the shop with what testdata/office.sql adds.
func newOffice(t *testing.T, change func(*Config)) *world {
	t.Helper()
	return newOfficeWith(t, "", change)
}

func newOfficeWith(t *testing.T, more string, change func(*Config)) *world {
	t.Helper()
	return newWorldOf(t, shop+office+more, &catalog.Caller{Table: catalog.QName{Schema: "shop", Name: "members"},
		Subject: "person", Tenant: "account_id", Role: "role", Issuer: "issuer"}, change)
}

func newWorldOf(t *testing.T, sql string, caller *catalog.Caller, change func(*Config)) *world {
	t.Helper()
	return worldOn(t, pgtest.Template(t, sql, func(t testing.TB, db *pgtest.Database) {
		db.Exec(t, sql)
		db.Exec(t, fmt.Sprintf(`GRANT USAGE ON SCHEMA shop TO %[1]s, %[2]s;
			GRANT SELECT ON ALL TABLES IN SCHEMA shop TO %[1]s;
			GRANT INSERT, UPDATE, DELETE ON shop."Order", shop.lines TO %[1]s;
			GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO %[2]s`,
			db.AppRole(t), db.Role(t, "operator", "LOGIN BYPASSRLS NOSUPERUSER")))
		worldOn(t.(*testing.T), db, caller, nil) // every portal after it finds its tables
	}), caller, change)
}

// worldOn starts a portal on a database of the shop.
func worldOn(t *testing.T, db *pgtest.Database, caller *catalog.Caller, change func(*Config)) *world {
	t.Helper()
	ctx := context.Background()
	app, operator := db.Roles["app"], db.Roles["operator"]
	w := &world{t: t, db: db, admin: db.Conn(t, db.URL), client: signer(t, clientSecret, "https://clients.test"),
		operator: signer(t, operatorSecret, "https://operators.test")}
	options := &moat.Options{TenantType: moat.BigInt, SubjectSetting: "app.subject", RoleSetting: "app.role",
		ClaimsSetting: "app.claims", MaxConns: 4}
	moatDB, err := moat.Open(ctx, db.As(t, app), options)
	must(t, err)
	t.Cleanup(moatDB.Close)
	pool, err := pgxpool.New(ctx, db.As(t, operator))
	must(t, err)
	t.Cleanup(pool.Close)
	admin, err := pgx.ParseConfig(db.URL)
	must(t, err)
	application, err := pgx.ParseConfig(db.As(t, app))
	must(t, err)
	known := tenancy.Options{Schemas: []string{"shop"}, Roles: []string{app}, Column: "account_id",
		Tenants: catalog.QName{Schema: "shop", Name: "accounts"}, Key: "id",
		Setting: "app.current_tenant", Shared: []catalog.QName{{Schema: "shop", Name: "currencies"}}}
	known.Shapes.Caller = caller
	read, err := tenancy.Read(ctx, db.Conn(t, db.As(t, app)), known)
	must(t, err)
	config := Config{DB: moatDB, PasteTokens: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Verifier: verifier(t, clientSecret, "https://clients.test", false),
		Source:   func(context.Context) (*policy.View, error) { return read, nil },
		Operator: &Operator{Pool: pool, Admin: admin, Application: application, Model: known, Verifier: verifier(t,
			operatorSecret, "https://operators.test", true)},
		Extend: demo.Config{BreakIn: moatDB, Referee: pool,
			Clients: []demo.Client{{Name: "MARK-A", Tenant: "1"}, {Name: "Other", Tenant: "2"}}}.Extend}
	config.Door = serving.NewDoor(moatDB, serving.Admission{})
	if change != nil {
		change(&config)
	}
	w.config = config
	w.portal, err = New(config)
	must(t, err)
	must(t, w.portal.Prepare(ctx))
	w.server = httptest.NewServer(w.portal)
	t.Cleanup(w.server.Close)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func signer(t *testing.T, secret, issuer string) *auth.Signer {
	t.Helper()
	s, err := auth.NewSigner(auth.SignerConfig{Key: auth.Secret(secret), Issuer: issuer, Audience: "portal"})
	must(t, err)
	return s
}

func verifier(t *testing.T, secret, issuer string, without bool) *auth.Verifier {
	t.Helper()
	v, err := auth.New(context.Background(), auth.Config{TenantType: moat.BigInt, AllowWithoutTenant: without,
		Issuers: []auth.IssuerConfig{{Issuer: issuer, Audience: []string{"portal"}, Secret: auth.Secret(secret)}}})
	must(t, err)
	return v
}

// visitor is a browser without a screen: it keeps cookies and follows no redirect.
type visitor struct {
	w *world
	c *http.Client
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	return &visitor{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

func (v *visitor) do(method, path string, form url.Values, headers ...string) answer {
	v.w.t.Helper()
	if !strings.HasPrefix(path, frame.Base) {
		path = frame.Base + path
	}
	r, err := http.NewRequest(method, v.w.server.URL+path, strings.NewReader(form.Encode()))
	must(v.w.t, err)
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := v.c.Do(r)
	must(v.w.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(v.w.t, err)
	return answer{res.StatusCode, res.Header, string(body)}
}

func (v *visitor) get(path string, headers ...string) answer {
	v.w.t.Helper()
	return v.do("GET", path, nil, headers...)
}

func (w *world) token(tenant moat.Tenant, ttl time.Duration) string {
	w.t.Helper()
	token, err := w.client.Sign(auth.Identity{Tenant: tenant, Subject: "someone@example.com", Role: "client"}, ttl)
	must(w.t, err)
	return token
}

// signedIn is a client of the tenant.
func (w *world) signedIn(tenant moat.Tenant) *visitor {
	w.t.Helper()
	v := w.visitor()
	if a := v.do("POST", "/sign-in", url.Values{"token": {w.token(tenant, time.Hour)}}); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign-in as %s: %d\n%s", tenant, a.status, a.body)
	}
	return v
}

// desk is a signed-in operator.
func (w *world) desk() *visitor {
	w.t.Helper()
	v := w.visitor()
	token, err := w.operator.Sign(auth.Identity{Subject: "olga", Role: "operator"}, time.Hour)
	must(w.t, err)
	if a := v.do("POST", "/operator/sign-in", url.Values{"token": {token},
		"reason": {"a test of it"}}); a.status != http.StatusSeeOther {
		w.t.Fatalf("operator sign-in: %d\n%s", a.status, a.body)
	}
	return v
}

func (w *world) query(sql string, args ...any) string {
	w.t.Helper()
	var out string
	must(w.t, w.admin.QueryRow(context.Background(), sql, args...).Scan(&out))
	return out
}
