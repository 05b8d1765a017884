package conformance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

var update = flag.Bool("update", false, "write the table into the docs")

const (
	tenant  = "aaaaaaaa-0000-4000-8000-000000000001"
	foreign = "bbbbbbbb-0000-4000-8000-000000000002"
	secret  = "0123456789abcdef0123456789abcdef"
	page    = "../../docs/reference/postgrest-compatibility.md"
)

var schemas = []string{"lib", "archive", `an "odd" one`}

// TestConformance asks every question. One that is answered otherwise fails, unless the case
// says why; and so does one that gives a reason and is answered as in PostgREST.
func TestConformance(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	fixture, err := os.ReadFile("fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(t, strings.NewReplacer("TO :app", "TO "+db.AppRole(t), ":a'", tenant+"'", ":b'", foreign+"'").
		Replace(string(fixture)))
	server, token := serve(t, db)
	tally := map[string]*counts{}
	var reasons []string
	for _, q := range append(load(t), filters(t, db)...) {
		c := tally[q.area]
		if c == nil {
			c = &counts{}
			tally[q.area] = c
		}
		fault := ask(t, server, token, q)
		switch {
		case q.reason != "" && fault == "":
			t.Errorf("%s, %s: answered as in PostgREST: take the reason away", q.area, q.name)
			c.failed++
		case q.reason != "":
			reasons = append(reasons, "* "+q.area+", "+q.name+": "+q.reason+".")
			c.justified++
		case fault != "":
			t.Errorf("%s, %s: %s %s\n%s", q.area, q.name, q.method, q.path, fault)
			c.failed++
		default:
			c.passed++
		}
	}
	publish(t, table(tally), reasons)
}

// serve runs the API over the database for one tenant, and makes its token.
func serve(t *testing.T, db *pgtest.Database) (*httptest.Server, string) {
	t.Helper()
	url := db.As(t, db.Roles["app"])
	db.CheckAppRole(t, db.Roles["app"])
	store, err := moat.Open(t.Context(), url, &moat.Options{ClaimsSetting: "request.jwt.claims", MaxConns: 4,
		ConfigurePool: api.ConfigurePool(5 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	verifier, err := auth.New(t.Context(), auth.Config{
		Issuers: []auth.IssuerConfig{{Issuer: "test", Audience: []string{"moat"}, Secret: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerConfig{Key: secret, Issuer: "test", Audience: "moat"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{Tenant: tenant, Subject: "ann", Role: "reader"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(t.Context(), api.Config{DB: store, Verifier: verifier, Load: loader(url),
		Schemas: schemas, SearchPath: []string{"tools"}, RequestSettings: true, AllowAggregates: true,
		AllowExplain: true, AllowRollback: true,
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, url) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(handler.Close)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, token
}

func loader(url string) func(context.Context) (*policy.View, error) {
	return func(ctx context.Context) (*policy.View, error) {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		return tenancy.Read(ctx, conn, tenancy.Options{Schemas: schemas,
			Shared: []catalog.QName{{Schema: "lib", Name: "bare"}}})
	}
}

// ask says how the answer differs from PostgREST's; "" for not at all. A row of another
// tenant fails the test whatever was asked.
func ask(t *testing.T, server *httptest.Server, token string, q question) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method,
		server.URL+"/rest/v1"+strings.NewReplacer(" ", "%20", `"`, "%22").Replace(q.path), strings.NewReader(q.body))
	if err != nil {
		t.Fatalf("%s: %v", q.name, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.method != http.MethodGet && q.method != http.MethodHead {
		r.Header.Add("Prefer", "tx=rollback")
	}
	for name, values := range q.header {
		if name == "Prefer" {
			values = append(values, r.Header["Prefer"]...)
		}
		r.Header[name] = values
	}
	if r.Header.Get("Authorization") == "" {
		r.Header.Del("Authorization")
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatalf("%s: %v", q.name, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s: %v", q.name, err)
	}
	if strings.Contains(string(body), "alien") {
		t.Errorf("%s, %s shows another tenant's row: %s", q.area, q.name, body)
	}
	return compare(q, answer, string(body))
}

func compare(q question, answer *http.Response, body string) string {
	var faults []string
	if answer.StatusCode != q.status {
		faults = append(faults, fmt.Sprintf("status %d, want %d", answer.StatusCode, q.status))
	}
	for name := range q.want {
		if got, want := answer.Header.Get(name), q.want.Get(name); got != want {
			faults = append(faults, fmt.Sprintf("%s: %q, want %q", name, got, want))
		}
	}
	for _, name := range q.absent {
		if got := answer.Header.Get(name); got != "" {
			faults = append(faults, fmt.Sprintf("%s: %q, want none", name, got))
		}
	}
	if q.answer != nil && !same(body, *q.answer) {
		faults = append(faults, "body "+body+", want "+*q.answer)
	}
	return strings.Join(faults, "\n")
}

// same compares JSON by value, and anything else by letter.
func same(got, want string) bool {
	if got == want {
		return true
	}
	var a, b any
	return json.Unmarshal([]byte(got), &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
}

type counts struct{ passed, failed, justified int }

// table lists the areas, for people and for the docs.
func table(tally map[string]*counts) string {
	var b strings.Builder
	b.WriteString("| area | passed | failed | justified |\n|---|---|---|---|\n")
	all := counts{}
	for _, area := range slices.Sorted(maps.Keys(tally)) {
		c := tally[area]
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", area, c.passed, c.failed, c.justified)
		all.passed, all.failed, all.justified = all.passed+c.passed, all.failed+c.failed, all.justified+c.justified
	}
	fmt.Fprintf(&b, "| all | %d | %d | %d |\n", all.passed, all.failed, all.justified)
	return b.String()
}

const begin, end = "<!-- conformance: go test ./conformance -update in e2e -->\n", "<!-- end -->\n"

// publish prints the table and holds the page of the docs to it.
func publish(t *testing.T, table string, reasons []string) {
	t.Helper()
	t.Log("\n" + table)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s: no place for the table", page)
	}
	want := before + begin + table + "\nWhere moat answers otherwise on purpose:\n\n" + strings.Join(reasons, "\n") +
		"\n" + end + after
	switch {
	case *update:
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case want != string(text):
		t.Errorf("%s is not what these cases give: run with -update", page)
	}
}
