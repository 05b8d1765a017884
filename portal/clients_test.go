package portal

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
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
	"github.com/moat-db/moat/tenancy"
)

// treeTenant is a tenant of the API's tree: A with A1, A2 and, suspended, A3 below it; F is
// somebody else.
func treeTenant(name string) moat.Tenant {
	return moat.Tenant(fmt.Sprintf("00000000-0000-4000-8000-%012s", strings.ToLower(name)))
}

// newTree is a portal over the API's tree of tenants, where clients can see who looked.
func newTree(t *testing.T, change func(*Config)) *world {
	t.Helper()
	ctx := context.Background()
	sql, err := os.ReadFile("../api/testdata/tree.sql")
	must(t, err)
	db := pgtest.New(t)
	app, tree := db.AppRole(t), db.Role(t, "tree", "NOLOGIN")
	db.Exec(t, strings.NewReplacer(":app", app, ":tree", tree).Replace(string(sql)))
	operator := db.Role(t, "operator", "LOGIN BYPASSRLS NOSUPERUSER")
	db.Exec(t, "GRANT USAGE ON SCHEMA app TO "+operator+"; GRANT SELECT ON ALL TABLES IN SCHEMA app TO "+operator)
	w := &world{t: t, db: db, admin: db.Conn(t, db.URL), client: signer(t, clientSecret, "https://clients.test"),
		operator: signer(t, operatorSecret, "https://operators.test")}
	moatDB, err := moat.Open(ctx, db.As(t, app), &moat.Options{TreeRole: tree, MaxConns: 4})
	must(t, err)
	t.Cleanup(moatDB.Close)
	name := func(table string) catalog.QName { return catalog.QName{Schema: "app", Name: table} }
	known := tenancy.Options{Schemas: []string{"app"},
		Roles: []string{app}, Column: "tenant_id", Shared: []catalog.QName{name("countries")}, Shapes: catalog.Shapes{
			Tree: &catalog.Tree{Parent: "parent_id", Role: tree},
			Members: []catalog.Members{{Table: name("users"), Through: name("memberships"), Person: "user_id",
				Columns: []string{"id", "name"}}},
			SharedRows: []catalog.SharedRows{{Table: name("labels")}}}}
	read, err := tenancy.Read(ctx, db.Conn(t, db.As(t, app)), known)
	must(t, err)
	verify, err := auth.New(ctx, auth.Config{Issuers: []auth.IssuerConfig{{Issuer: "https://clients.test",
		Audience: []string{"portal"}, Secret: clientSecret}}})
	must(t, err)
	pool, err := pgxpool.New(ctx, db.As(t, operator))
	must(t, err)
	t.Cleanup(pool.Close)
	admin, err := pgx.ParseConfig(db.URL)
	must(t, err)
	w.config = Config{DB: moatDB, PasteTokens: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Verifier: verify,
		Door:     serving.NewDoor(moatDB, serving.Admission{}),
		Operator: &Operator{Pool: pool, Admin: admin, Model: known,
			Verifier: verifier(t, operatorSecret, "https://operators.test", true)},
		Source: func(context.Context) (*policy.View, error) { return read, nil },
		Now:    func() time.Time { return time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) }}
	if change != nil {
		change(&w.config)
	}
	w.portal, err = New(w.config)
	must(t, err)
	must(t, w.portal.Prepare(ctx))
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
	w := newTree(t, nil)
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

// Who is looked at can read it, and nobody else; what cannot be written down is not shown.
func TestLookingAtAClientIsLogged(t *testing.T) {
	t.Parallel()
	w := newTree(t, nil)
	agency, seen, other := w.signedIn(treeTenant("A")), w.signedIn(treeTenant("A2")), w.signedIn(treeTenant("A1"))
	const what = "looked at the client from its agency"
	says(t, seen.get("/access"), nil, []string{what})
	agency.get("/clients/" + string(treeTenant("A2")))
	says(t, seen.get("/access"), []string{what, "Somebody of A<"}, []string{"someone@example.com"})
	says(t, other.get("/access"), nil, []string{what})
	for _, refused := range []string{"F", "A3"} {
		agency.get("/clients/" + string(treeTenant(refused)))
	}
	if n := w.query("select count(*)::text from moat.operator_log where action = $1", what); n != "1" {
		t.Errorf("%s looks are written down, want one", n)
	}
	w.db.Exec(t, "ALTER TABLE moat.operator_log RENAME TO lost")
	a := agency.get("/clients/" + string(treeTenant("A2")))
	if a.status < 500 || strings.Contains(a.body, "A2 lead") {
		t.Errorf("a look that cannot be written down: %d", a.status)
	}
	blind := newTree(t, func(c *Config) { c.Operator = nil }).signedIn(treeTenant("A"))
	says(t, blind.get("/clients"), []string{">A2<", "Clients cannot be opened here"},
		[]string{`href="/portal/clients/` + string(treeTenant("A2"))})
	if a := blind.get("/clients/" + string(treeTenant("A2"))); a.status != 404 {
		t.Errorf("without a log a client is shown: %d", a.status)
	}
}

// The figures that are declared, of the period that is chosen, against the one before.
func TestFigures(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAgencySeesItsClients
	// Every tenant has leads 1 to 3, of the 2nd to 4th of January, scored 3, 6 and 9.
	w := newTree(t, func(c *Config) {
		c.Figures = []Figure{{Title: "Points", Table: "app.leads", Sum: "score"},
			{Title: "Mean", Table: "app.leads", Average: "score"},
			{Title: "Hot", Table: "app.leads", Where: map[string][]string{"score.min": {"6"}, "id": {"2", "3"}}},
			{Title: "Ever", Table: "app.leads", Date: "none", Where: map[string][]string{"score.null": {"no"}}}}
	})
	agency := w.signedIn(treeTenant("A"))
	row := func(query, name string) string {
		t.Helper()
		body := agency.get("/clients/export" + query).body
		for _, line := range strings.Split(body, "\n") {
			if strings.HasPrefix(line, name+",") {
				return line
			}
		}
		t.Fatalf("no line of %s in\n%s", name, body)
		return ""
	}
	id, last := string(treeTenant("A2")), ",2026-01-04T00:00:00Z"
	for query, want := range map[string]string{
		"":                                       "18,0,6,,2,0,3",
		"?from=2026-01-04&to=2026-01-04":         "9,6,9,6,1,1,3",
		"?from=2026-01-03&to=2026-01-04":         "15,3,7.5,3,2,0,3",
		"?from=2027-01-03&to=2027-01-04&vs=year": "0,15,,7.5,0,2,3",
		"?from=x&to=2026-01-04":                  "18,0,6,,2,0,3",
	} {
		if got := row(query, "A2"); got != "A2,"+id+","+want+last {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := row("", "A3"); got != "A3,"+string(treeTenant("A3"))+",,,,,,,," {
		t.Errorf("a suspended client has figures: %s", got)
	}
	says(t, agency.get("/clients?from=2026-01-04&to=2026-01-04"), []string{"&#43;50%", "4 Jan 2026 – 4 Jan 2026"}, nil)
	says(t, agency.get("/clients?from=x&to=y"), []string{"Choose a first day"}, nil)
	both := "?c=" + string(treeTenant("A1")) + "&c=" + id
	says(t, agency.get("/clients/compare"+both), []string{">A1<", ">A2<", "Points", "Mean"}, []string{">A11<"})
	for _, other := range []string{"F", "A3", "nobody"} {
		if a := agency.get("/clients/compare" + both + "&c=" + string(treeTenant(other))); a.status != 404 {
			t.Errorf("compared with %s: %d", other, a.status)
		}
	}
	// The clients of A1 are A11 alone.
	says(t, w.signedIn(treeTenant("A1")).get("/clients"), []string{">A11<"}, []string{">A2<", ">A<", ">A31<"})
}

// Sorted by a figure, a name or the last activity; the own tenant stays above.
func TestClientsAreSorted(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAgencySeesItsClients
	w := newTree(t, nil)
	w.db.Exec(t, `INSERT INTO app.leads SELECT id, 4, 'late', 1, '2026-01-05' FROM app.tenants WHERE name = 'A2'`)
	agency := w.signedIn(treeTenant("A"))
	name := regexp.MustCompile(`data-label="Client">(?:<a[^>]*>)?(\w+)`)
	for query, want := range map[string]string{"": "A A2 A1 A11 A31 A3", "?sort=0&dir=asc": "A A1 A11 A31 A2 A3",
		"?sort=name": "A A1 A11 A2 A31 A3", "?sort=name&dir=desc": "A A31 A2 A11 A1 A3", "?sort=last": "A A2 A1 A11 A31 A3",
		"?sort=99": "A A2 A1 A11 A31 A3"} {
		var got []string
		for _, m := range name.FindAllStringSubmatch(agency.get("/clients"+query).body, -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

func TestFiguresThatAreRefused(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestFigures
	w := newTree(t, nil)
	for want, f := range map[string]Figure{
		"app.nothing is not shown": {Title: "x", Table: "app.nothing"},
		"has no title":             {Table: "app.leads"},
		"numbers name":             {Title: "x", Table: "app.leads", Sum: "name"},
		"numbers scorescore":       {Title: "x", Table: "app.leads", Sum: "score", Average: "score"},
		"dates name":               {Title: "x", Table: "app.leads", Date: "name"},
		"no condition tenant_id":   {Title: "x", Table: "app.leads", Where: map[string][]string{"tenant_id": {"x"}}},
		"no condition score.below": {Title: "x", Table: "app.leads", Where: map[string][]string{"score.below": {"1"}}},
		`score cannot be "1 or 1`:  {Title: "x", Table: "app.leads", Where: map[string][]string{"score": {"1 or 1=1"}}},
	} {
		c := w.config
		c.Figures = []Figure{f}
		p, err := New(c)
		must(t, err)
		if err := p.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want an error with %q", err, want)
		}
	}
}

func TestLeafHasNoClients(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAgencySeesItsClients
	leaf := newTree(t, nil).signedIn(treeTenant("A2"))
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
	pgtest.Full(t) // short: TestAgencySeesItsClients
	w := newTree(t, nil)
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
