package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/metertest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/printed"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

const (
	tenantA = "aaaaaaaa-0000-4000-8000-000000000001"
	tenantB = "bbbbbbbb-0000-4000-8000-000000000002"
	tenantC = "cccccccc-0000-4000-8000-000000000003" // suspended
	secret  = "0123456789abcdef0123456789abcdef"

	// often is the PollInterval of a test that changes the schema and tells nobody. In the others
	// nothing is polled: what many idle servers ask together takes the processor from the rest.
	often = 200 * time.Millisecond
)

// database is a copy of the schema of testdata/schema.sql with its application role.
func database(t testing.TB) *pgtest.Database {
	t.Helper()
	return pgtest.Template(t, "api", loadSchema)
}

// loadSchema fills an empty database, and makes its application role.
func loadSchema(t testing.TB, db *pgtest.Database) {
	t.Helper()
	sql, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, strings.ReplaceAll(string(sql), ":app", db.AppRole(t)))
}

// server is a running API over a database of its own.
type server struct {
	*httptest.Server
	db      *pgtest.Database
	handler *api.Handler
	signer  *auth.Signer
	log     *printed.Output
}

// serve starts an API; change may alter its configuration.
func serve(t testing.TB, change func(*api.Config)) *server {
	t.Helper()
	return serveOn(t, database(t), change)
}

func serveOn(t testing.TB, db *pgtest.Database, change func(*api.Config)) *server {
	t.Helper()
	ctx := context.Background()
	role := db.Roles["app"]
	db.CheckAppRole(t, role)
	url := db.As(t, role)
	store, err := moat.Open(ctx, url, &moat.Options{
		ClaimsSetting: "request.jwt.claims", RoleSetting: "app.role", SubjectSetting: "app.subject",
		MaxConns: 8, ConfigurePool: api.ConfigurePool(3 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	verifier, err := auth.New(ctx, auth.Config{AllowWithoutTenant: true,
		Issuers: []auth.IssuerConfig{{Issuer: "test", Audience: []string{"moat"}, Secret: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerConfig{Key: secret, Issuer: "test", Audience: "moat"})
	if err != nil {
		t.Fatal(err)
	}
	log := &printed.Output{}
	connect := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }
	meter := &metertest.Meter{}
	config := api.Config{
		DB: store, Verifier: verifier, Connect: connect, Load: loader(connect), Meter: meter, Metrics: meter,
		Schemas: []string{"app", "extra"}, Logger: slog.New(slog.NewJSONHandler(log, nil)),
		AllowAggregates: true, PollInterval: time.Hour,
	}
	if change != nil {
		change(&config)
	}
	handler, err := api.New(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(handler.Close)
	s := &server{Server: httptest.NewServer(handler), db: db, handler: handler, signer: signer, log: log}
	t.Cleanup(s.Close)
	return s
}

// loader reads the catalog as the application role.
func loader(connect func(context.Context) (*pgx.Conn, error)) func(context.Context) (*policy.View, error) {
	return func(ctx context.Context) (*policy.View, error) {
		conn, err := connect(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		return tenancy.Read(ctx, conn,
			tenancy.Options{Schemas: []string{"app", "extra"}, Shared: []catalog.QName{{Schema: "app", Name: "countries"}}})
	}
}

func (s *server) token(t testing.TB, tenant string) string {
	t.Helper()
	subject := map[string]string{tenantA: "ann", tenantB: "bob"}[tenant]
	token, err := s.signer.Sign(auth.Identity{Tenant: moat.Tenant(tenant), Subject: subject, Role: "viewer"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// response is an answer, read.
type response struct {
	Status int
	Header http.Header
	Body   string
}

// call is one request as tenant A. headers are "Name: value".
type call struct {
	tenant string // default tenantA; "none" for a token without one
	method string // default GET
	path   string // below /rest/v1/
	header []string
	body   string
}

func (s *server) do(t testing.TB, c call) response {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	if c.tenant == "" {
		c.tenant = tenantA
	}
	if c.tenant == "none" {
		c.tenant = ""
	}
	address := s.URL + "/rest/v1/" + c.path
	if strings.HasPrefix(c.path, "/") {
		address = s.URL + c.path
	}
	r, err := http.NewRequest(c.method, strings.ReplaceAll(address, " ", "%20"), strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token(t, c.tenant))
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range c.header {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Prefer" {
			r.Header.Add(name, value)
		} else {
			r.Header.Set(name, value)
		}
	}
	return send(t, r)
}

func send(t testing.TB, r *http.Request) response {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{answer.StatusCode, answer.Header, string(body)}
}

// sameJSON compares two JSON texts by value.
func sameJSON(t testing.TB, got, want string) {
	t.Helper()
	if diff := cmp.Diff(decode(t, want), decode(t, got)); diff != "" {
		t.Errorf("body %s\n(-want +got)\n%s", got, diff)
	}
}

func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %q", err, text)
	}
	return v
}
