package seal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/mcp"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// TestAttacksOfAgents has the official client send every attack that fits one statement as A's agent:
// a prompt that someone hid in a row would be turned into one. None shows a row of B's or a secret,
// and the few that are answered show what A may see.
func TestAttacksOfAgents(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAttacks, the same without an agent
	f := newFixture(t, pgtest.Shared(t))
	f.prepare(t)
	a := newTarget(t, f, ways(t, f)[1])
	ask := newAgent(t, a)
	if got := ask("select name from app.leads where id = 2"); !strings.Contains(got, "a-2") {
		t.Fatalf("the agent sees nothing of its own: %s", got)
	}
	before, sent, answered := a.rowsOfB(t), 0, 0
	for _, at := range attacks() {
		sql := strings.TrimSuffix(strings.TrimSpace(at.sql), ";")
		switch {
		case at.kind == expression:
			sql = programStatement + sql
		case at.kind == connection, strings.Contains(sql, ";"):
			continue // not one statement
		}
		sent++
		got := ask(a.fill(t, sql, 0))
		if !strings.HasPrefix(got, "refused: ") {
			answered++
		}
		if slices.ContainsFunc(a.secrets, func(s string) bool { return strings.Contains(got, s) }) {
			t.Errorf("%s shows %.300s", at.name, got)
		}
	}
	if after := a.rowsOfB(t); after != before {
		t.Error("B's rows have changed")
	}
	t.Logf("%d attacks sent, %d answered with rows of A's or none", sent, answered)
	if sent < 60 || answered < 10 {
		t.Errorf("%d attacks sent and %d answered: that proves nothing", sent, answered)
	}
}

// newAgent returns how A's agent sends a statement.
func newAgent(t *testing.T, a *target) func(sql string) string {
	t.Helper()
	secret, resource := strings.Repeat("k", 32), "http://127.0.0.1/mcp"
	v, err := auth.New(t.Context(), auth.Config{Issuers: []auth.IssuerConfig{{Issuer: "https://id.test",
		Audience: []string{resource}, Secret: auth.Secret(secret)}}})
	must(t, err)
	o := a.way.Options
	o.ConfigurePool = api.ConfigurePool(5 * time.Second)
	db, err := moat.Open(t.Context(), a.App, &o)
	must(t, err)
	t.Cleanup(db.Close)
	load := func(ctx context.Context) (*policy.View, error) {
		conn, err := pgx.Connect(ctx, a.App)
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		return tenancy.Read(ctx, conn, tenancy.Options{})
	}
	rest, err := api.New(t.Context(), api.Config{DB: db, Verifier: v, Load: load})
	must(t, err)
	t.Cleanup(rest.Close)
	o.ConfigurePool = mcp.ConfigurePool
	statements, err := moat.Open(t.Context(), a.App, &o)
	must(t, err)
	t.Cleanup(statements.Close)
	h, err := mcp.New(mcp.Config{API: rest, Verifier: v, Resource: resource, Statements: statements,
		Record: func(context.Context, mcp.Call) error { return nil }})
	must(t, err)
	at := httptest.NewServer(h)
	t.Cleanup(at.Close)
	return a.agent(t, at.URL+mcp.Path, secret, resource)
}

func (a *target) agent(t *testing.T, endpoint, secret, resource string) func(string) string {
	t.Helper()
	signer, err := auth.NewSigner(auth.SignerConfig{Key: auth.Secret(secret), Issuer: "https://id.test",
		Audience: resource})
	must(t, err)
	token, err := signer.Sign(auth.Identity{Tenant: tenantA, Subject: string(tenantB)}, time.Hour)
	must(t, err)
	transport := &sdk.StreamableClientTransport{Endpoint: endpoint, DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: withToken(token)}}
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), transport, nil)
	must(t, err)
	t.Cleanup(func() { session.Close() })
	return func(sql string) string {
		r, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "query", Arguments: map[string]any{"sql": sql}})
		if err != nil {
			return "refused: " + err.Error()
		}
		text := ""
		for _, c := range r.Content {
			text += c.(*sdk.TextContent).Text
		}
		if r.IsError {
			return "refused: " + text
		}
		return text
	}
}

type withToken string

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(w))
	return http.DefaultTransport.RoundTrip(r)
}
