package portal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// treeTenant is a tenant of the API's tree: A with A1, A2 and, suspended, A3 below it; F is
// somebody else.
func treeTenant(name string) moat.Tenant {
	return moat.Tenant(fmt.Sprintf("00000000-0000-4000-8000-%012s", strings.ToLower(name)))
}

// newTree is a portal over the API's tree of tenants.
func newTree(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	sql, err := os.ReadFile("../api/testdata/tree.sql")
	must(t, err)
	db := pgtest.New(t)
	app, tree := db.AppRole(t), db.Role(t, "tree", "NOLOGIN")
	db.Exec(t, strings.NewReplacer(":app", app, ":tree", tree).Replace(string(sql)))
	w := &world{t: t, db: db, admin: db.Conn(t, db.URL), client: signer(t, clientSecret, "https://clients.test")}
	moatDB, err := moat.Open(ctx, db.As(t, app), &moat.Options{TreeRole: tree, MaxConns: 4})
	must(t, err)
	t.Cleanup(moatDB.Close)
	name := func(table string) catalog.QName { return catalog.QName{Schema: "app", Name: table} }
	read, err := tenancy.Read(ctx, db.Conn(t, db.As(t, app)), tenancy.Options{Schemas: []string{"app"},
		Roles: []string{app}, Column: "tenant_id", Shared: []catalog.QName{name("countries")}, Shapes: catalog.Shapes{
			Tree: &catalog.Tree{Parent: "parent_id", Role: tree},
			Members: []catalog.Members{{Table: name("users"), Through: name("memberships"), Person: "user_id",
				Columns: []string{"id", "name"}}},
			SharedRows: []catalog.SharedRows{{Table: name("labels")}}}})
	must(t, err)
	verify, err := auth.New(ctx, auth.Config{Issuers: []auth.IssuerConfig{{Issuer: "https://clients.test",
		Audience: []string{"portal"}, Secret: clientSecret}}})
	must(t, err)
	w.portal, err = New(Config{DB: moatDB, PasteTokens: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Verifier: verify,
		Door:     serving.NewDoor(moatDB, serving.Admission{}),
		Source:   func(context.Context) (*policy.View, error) { return read, nil }})
	must(t, err)
	w.server = httptest.NewServer(w.portal)
	t.Cleanup(w.server.Close)
	return w
}

// says checks which texts a page has, and which it must not have.
func says(t *testing.T, a answer, has, not []string) {
	t.Helper()
	for _, text := range has {
		if !strings.Contains(a.body, text) {
			t.Errorf("%d: no %q in:\n%s", a.status, text, a.body)
		}
	}
	for _, text := range not {
		if strings.Contains(a.body, text) {
			t.Errorf("%d: %q is shown:\n%s", a.status, text, a.body)
		}
	}
}

func TestAgencySeesItsClients(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	agency := w.signedIn(treeTenant("A"))
	says(t, agency.get("/dashboard"), []string{`href="/portal/clients"`}, nil)
	// 15 leads: three of each of the five that are not suspended.
	says(t, agency.get("/clients"), []string{">15<", ">A1<", ">A2<", ">A11<", ">A31<", "Suspended", "You"},
		[]string{">18<", ">F<"})
	one := "/clients/" + url.PathEscape(string(treeTenant("A2")))
	says(t, agency.get(one), []string{">3<", "A2 lead 3"}, []string{"A1 lead", "A lead", "Edit", "New lead"})
	for _, other := range []string{"F", "A3", "nobody"} {
		if a := agency.get("/clients/" + string(treeTenant(other))); a.status != 404 {
			t.Errorf("%s as a client: %d", other, a.status)
		}
	}
	// Everywhere else the agency's own rows are shown, and no client's.
	says(t, agency.get("/t/leads"), []string{"A lead 1"}, []string{"A1 lead", "A2 lead"})
	n := agency.crawl("/dashboard", func(path string, a answer) {
		if a.status >= 500 || strings.Contains(a.body, "F lead") || strings.Contains(a.body, "A3 lead") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	})
	if n < 10 {
		t.Errorf("only %d pages", n)
	}
}

func TestLeafHasNoClients(t *testing.T) {
	t.Parallel()
	leaf := newTree(t).signedIn(treeTenant("A2"))
	says(t, leaf.get("/dashboard"), nil, []string{"/portal/clients"})
	for _, path := range []string{"/clients", "/clients/" + string(treeTenant("A2")),
		"/clients/" + string(treeTenant("A"))} {
		if a := leaf.get(path); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// Rows for everybody are marked, and cannot be opened or changed; people are listed.
func TestSharedRowsAndPeople(t *testing.T) {
	t.Parallel()
	w := newTree(t)
	a1 := w.signedIn(treeTenant("A1"))
	labels := a1.get("/t/labels")
	says(t, labels, []string{"for everybody", "label of A1", `class="tag"`},
		[]string{"label of A2", "/t/labels/r/100"})
	if n := strings.Count(labels.body, "/portal/t/labels/r/"); n != 1 {
		t.Errorf("%d rows can be opened, want the own one", n)
	}
	if a := a1.get("/t/labels/r/100"); a.status != 404 {
		t.Errorf("a row for everybody has a page: %d", a.status)
	}
	a := a1.do("POST", "/t/labels/e/100", url.Values{"name": {"mine"}, "version": {"1"}})
	if a.status < 400 || w.query("select name from app.labels where id = 100") != "for everybody" {
		t.Errorf("a row for everybody was changed: %d", a.status)
	}
	says(t, a1.get("/t/users"), []string{"person 1", "person 2"},
		[]string{"person 3", "person 5", "secret", "New user", "/t/users/r/"})
	if a := a1.get("/t/users/r/1"); a.status != 404 {
		t.Errorf("a person has a page: %d", a.status)
	}
}
