package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// treeTenant is the id of a tenant of testdata/tree.sql: A, the agency, A1, A2, A3
// (suspended), A11, A31 and F, which is somebody else.
func treeTenant(name string) string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012s", strings.ToLower(name))
}

func treeDatabase(t testing.TB) *pgtest.Database {
	t.Helper()
	return pgtest.Template(t, "tree", func(t testing.TB, db *pgtest.Database) {
		sql, err := os.ReadFile("testdata/tree.sql")
		if err != nil {
			t.Fatal(err)
		}
		tree := db.Role(t, "tree", "NOLOGIN")
		db.Exec(t, strings.NewReplacer(":app", db.AppRole(t), ":tree", tree).Replace(string(sql)))
	})
}

// treeShapes is what moat.yaml declares of testdata/tree.sql.
func treeShapes(role string) catalog.Shapes {
	name := func(table string) catalog.QName { return catalog.QName{Schema: "app", Name: table} }
	return catalog.Shapes{
		Tree: &catalog.Tree{Parent: "parent_id", Role: role},
		Members: []catalog.Members{{Table: name("users"), Through: name("memberships"), Person: "user_id",
			Columns: []string{"id", "name"}}},
		SharedRows: []catalog.SharedRows{{Table: name("labels")}},
		FromAbove:  []catalog.QName{name("templates")},
		Parties: []catalog.Parties{{Table: name("orders"), Owner: "seller", Reads: []string{"buyer"}},
			{Table: name("lines"), Owner: "seller", Reads: []string{"buyer"}}},
		Shares: []catalog.Shares{{Table: name("board"), Through: name("board_share"), With: "shared_with",
			Edits: "can_edit"}},
	}
}

// serveTree starts an API over testdata/tree.sql; shape may alter what is declared.
func serveTree(t testing.TB, db *pgtest.Database, shape func(*catalog.Shapes)) *server {
	t.Helper()
	return serveTreeTo(t, db, shape, nil)
}

// serveTreeTo says besides for whom issuers speak, and serves more schemas.
func serveTreeTo(t testing.TB, db *pgtest.Database, shape func(*catalog.Shapes),
	issuers map[string]serving.Speaker, more ...string) *server {
	t.Helper()
	schemas := append([]string{"app"}, more...)
	role := db.Roles["tree"]
	shapes := treeShapes(role)
	if shape != nil {
		shape(&shapes)
	}
	store, err := moat.Open(context.Background(), db.As(t, db.Roles["app"]), &moat.Options{
		ClaimsSetting: "request.jwt.claims", SubjectSetting: "app.subject", RoleSetting: "app.role", TreeRole: role,
		MaxConns: 4, ConfigurePool: api.ConfigurePool(3 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return serveOn(t, db, func(c *api.Config) {
		connect := c.Connect
		c.DB, c.Schemas = store, schemas
		if issuers != nil {
			c.Door = api.NewDoor(store, api.Admission{Issuers: issuers})
		}
		c.Load = func(ctx context.Context) (*policy.View, error) {
			conn, err := connect(ctx)
			if err != nil {
				return nil, err
			}
			defer conn.Close(ctx)
			return tenancy.Read(ctx, conn, tenancy.Options{Column: "tenant_id", Schemas: schemas,
				Shared: []catalog.QName{{Schema: "app", Name: "countries"}}, Shapes: shapes})
		}
	})
}

// An issuer that speaks for a list of tenants sees none of them together.
func TestWideNeedsAnIssuerOfAll(t *testing.T) {
	t.Parallel()
	db := treeDatabase(t)
	for _, x := range []struct {
		speaks serving.Speaker
		want   int
	}{{serving.Speaker{All: true}, 200}, {serving.Speaker{Tenants: []moat.Tenant{moat.Tenant(treeTenant("A"))}}, 403}} {
		s := serveTreeTo(t, db, nil, map[string]serving.Speaker{"test": x.speaks})
		c := call{tenant: treeTenant("A"), path: "leads"}
		if r := s.do(t, c); r.Status != 200 {
			t.Errorf("%+v, own: %d %s", x.speaks, r.Status, r.Body)
		}
		c.header = []string{wideScope}
		if r := s.do(t, c); r.Status != x.want {
			t.Errorf("%+v, wide: %d %s, want %d", x.speaks, r.Status, r.Body, x.want)
		}
	}
}

const wideScope = "Moat-Scope: descendants"

// strings of one column, in the order of the answer.
func column(t testing.TB, r response, name string) (out []string) {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal([]byte(r.Body), &rows); err != nil {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	for _, row := range rows {
		out = append(out, fmt.Sprint(row[name]))
	}
	return out
}

func TestWideReads(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), nil)
	tests := []struct {
		name, tenant, path string
		wide               bool
		column             string
		want               string
	}{
		{"own is the default", "A", "leads?order=id", false, "name", "A lead 1,A lead 2,A lead 3"},
		{"everybody's of the agency, but the suspended one's", "A", "leads?id=eq.1&order=name", true, "name",
			"A lead 1,A1 lead 1,A11 lead 1,A2 lead 1,A31 lead 1"},
		{"a middle tenant", "A1", "leads?id=eq.1&order=name", true, "name", "A1 lead 1,A11 lead 1"},
		{"a leaf", "A11", "leads?id=eq.1", true, "name", "A11 lead 1"},
		{"a suspended parent does not suspend its child", "A31", "leads?id=eq.1", false, "name", "A31 lead 1"},
		{"one client of several", "A", "leads?id=eq.2&tenant_id=eq." + treeTenant("A2"), true, "name", "A2 lead 2"},
		{"a stranger among the clients", "A", "leads?tenant_id=eq." + treeTenant("F"), true, "name", ""},
		{"the tenants", "A", "tenants?order=name", true, "name", "A,A1,A11,A2,A31"},
		{"the tenant", "A", "tenants", false, "name", "A"},
		{"a view", "A", "hot?select=name&order=name&id=eq.3", true, "name",
			"A lead 3,A1 lead 3,A11 lead 3,A2 lead 3,A31 lead 3"},
		{"people of one", "A1", "users?order=id", false, "name", "person 1,person 2"},
		{"people of all, but of those of the suspended one", "A", "users?order=id", true, "name",
			"person 1,person 2,person 3"},
		{"rows for everybody", "A1", "labels?order=name", false, "name", "for everybody,label of A1"},
		{"rows for everybody, wide", "A1", "labels?order=name", true, "name", "for everybody,label of A1,label of A11"},
		{"rows from above", "A11", "templates?order=name", false, "name",
			"template of A,template of A1,template of A11"},
		{"orders as seller and as buyer", "A1", "orders?order=id", false, "id", "1,2,3"},
		{"orders of a buyer", "F", "orders?order=id", false, "id", "1,2,4"},
		{"lines of orders", "A1", "lines?order=id", false, "id", "1,2,3"},
		{"shared boards", "A1", "board?order=title", false, "title", "board of A1,board of A2,board of F"},
		{"shares", "A1", "board_share?order=board_id", false, "shared_with", treeTenant("A1") + "," + treeTenant("A1")},
		{"shared tables", "A", "countries", true, "code", "de"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := call{tenant: treeTenant(tt.tenant), path: tt.path}
			if tt.wide {
				c.header = []string{wideScope}
			}
			if got := strings.Join(column(t, s.do(t, c), tt.column), ","); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Ids repeat between tenants: an embed must not join one client's rows to another's, and
// shows what the policies show across tenants.
func TestWideEmbeds(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), nil)
	for path, want := range map[string]string{
		"leads?select=name,notes(body)&id=eq.1&order=name": `[{"name":"A1 lead 1","notes":[{"body":"note on A1 lead 1"}]},
			{"name":"A11 lead 1","notes":[{"body":"note on A11 lead 1"}]}]`,
		"notes?select=leads(name)&id=eq.2&leads.order=name&order=tenant_id": `[{"leads":{"name":"A1 lead 2"}},
			{"leads":{"name":"A11 lead 2"}}]`,
		"tenants?select=name,leads(count)&order=name": `[{"name":"A1","leads":[{"count":3}]},
			{"name":"A11","leads":[{"count":3}]}]`,
		"memberships?select=users(name)&order=user_id": `[{"users":{"name":"person 1"}},
			{"users":{"name":"person 2"}}]`,
	} {
		got := s.do(t, call{tenant: treeTenant("A1"), path: path, header: []string{wideScope}})
		if got.Status != 200 {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
			continue
		}
		sameJSON(t, got.Body, want)
	}
	// Of one tenant: its orders with their lines, and the people of its memberships.
	for path, want := range map[string]string{
		"orders?select=id,lines(what)&order=id": `[{"id":1,"lines":[{"what":"line of 1"}]},
			{"id":2,"lines":[{"what":"line of 2"}]},{"id":3,"lines":[{"what":"line of 3"}]}]`,
		"memberships?select=users(name)&order=user_id": `[{"users":{"name":"person 1"}},
			{"users":{"name":"person 2"}}]`,
		"board?select=title,board_share(can_edit)&title=eq.board of F": `[{"title":"board of F",
			"board_share":[{"can_edit":true}]}]`,
	} {
		sameJSON(t, s.do(t, call{tenant: treeTenant("A1"), path: path}).Body, want)
	}
}

// Pages of keys that several tenants share lose no row and show none twice.
func TestWideKeysetPaging(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), nil)
	for path, total := range map[string]int{
		"leads?order=created_at.desc": 15, "leads?order=id": 15, "leads?": 15, "templates?order=id": 5,
		"tenants?order=name": 5, "users?order=name": 3, "hot?order=name": 10, "labels?order=name": 6,
	} {
		want := column(t, s.do(t, call{tenant: treeTenant("A"), path: path, header: []string{wideScope}}), "name")
		var got []string
		after := ""
		for range 30 {
			page := s.do(t, call{tenant: treeTenant("A"), path: path + "&limit=2&after=" + after, header: []string{wideScope}})
			got = append(got, column(t, page, "name")...)
			if after = page.Header.Get("Moat-Next-Cursor"); after == "" {
				break
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if len(want) != total || !cmp.Equal(got, want) {
			t.Errorf("%s: want %d rows\nat once  %q\nby pages %q", path, total, want, got)
		}
	}
	// Of one tenant too: a child's templates have the ids of those from above.
	var got []string
	for after := "start"; after != ""; {
		page := s.do(t, call{tenant: treeTenant("A11"), path: "templates?order=id&limit=1&after=" +
			strings.TrimPrefix(after, "start")})
		got = append(got, column(t, page, "name")...)
		after = page.Header.Get("Moat-Next-Cursor")
	}
	if len(got) != 3 {
		t.Errorf("templates from above, by pages: %q", got)
	}
}

func TestWideCounts(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), nil)
	for _, count := range []string{"exact", "estimated"} {
		got := s.do(t, call{tenant: treeTenant("A"), path: "leads?limit=2",
			header: []string{wideScope, "Prefer: count=" + count}})
		if r := got.Header.Get("Content-Range"); r != "0-1/15" {
			t.Errorf("count=%s: %s", count, r)
		}
	}
	got := s.do(t, call{tenant: treeTenant("A"), path: "leads?select=tenant_id,count(),score.sum()&order=tenant_id",
		header: []string{wideScope}})
	if n := len(column(t, got, "count")); n != 5 {
		t.Errorf("by tenant: %s", got.Body)
	}
}

func TestWideRefusals(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWideNeedsAnIssuerOfAll
	s := serveTree(t, treeDatabase(t), nil)
	a := treeTenant("A")
	for _, tt := range []struct {
		name string
		call call
		code string
	}{
		{"a word that is none", call{path: "leads", header: []string{"Moat-Scope: all"}}, "MOAT106"},
		{"an empty one", call{path: "leads", header: []string{"Moat-Scope: "}}, "MOAT106"},
		{"an insert", call{method: "POST", path: "leads", body: `{"id":9}`, header: []string{wideScope}}, "MOAT108"},
		{"an update", call{method: "PATCH", path: "leads?id=eq.1", body: `{"name":"x"}`, header: []string{wideScope}},
			"MOAT108"},
		{"a delete", call{method: "DELETE", path: "leads?id=eq.1", header: []string{wideScope}}, "MOAT108"},
		{"a replacement", call{method: "PUT", path: "leads?id=eq.1", body: `{"id":1}`, header: []string{wideScope}},
			"MOAT108"},
		{"a call", call{path: "rpc/total", header: []string{wideScope}}, "MOAT109"},
		{"a call by POST", call{method: "POST", path: "rpc/total", header: []string{wideScope}}, "MOAT108"},
		{"what a function computes for a row", call{path: "leads?select=name,best(body)", header: []string{wideScope}},
			"PGRST200"},
		{"a view without the tenant", call{path: "nameless", header: []string{wideScope}}, "MOAT109"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.call.tenant = a
			got := s.do(t, tt.call)
			if got.Status != http.StatusBadRequest || !strings.Contains(got.Body, tt.code) {
				t.Errorf("%d %s, want %s", got.Status, got.Body, tt.code)
			}
		})
	}
	if got := s.do(t, call{tenant: a, path: "nope", header: []string{wideScope}}); got.Status != 404 {
		t.Errorf("a table that is not there: %d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{tenant: treeTenant("A3"), path: "leads", header: []string{wideScope}}); got.Status != 403 {
		t.Errorf("a suspended tenant: %d %s", got.Status, got.Body)
	}
	vary := s.do(t, call{tenant: a, path: "leads"}).Header.Get("Vary")
	if !strings.Contains(vary, "Moat-Scope") {
		t.Errorf("Vary: %s", vary)
	}
	flat := serve(t, nil)
	if got := flat.do(t, call{path: "leads", header: []string{wideScope}}); got.Status != 400 ||
		!strings.Contains(got.Body, "MOAT107") {
		t.Errorf("without a tree: %d %s", got.Status, got.Body)
	}
}

// A schema that the tree's role may not use is left out of wide reads, and takes no other with it.
func TestWideLeavesOutSchemas(t *testing.T) {
	t.Parallel()
	db := treeDatabase(t)
	db.Exec(t, strings.ReplaceAll(`CREATE SCHEMA billing; CREATE VIEW billing.bills WITH (security_invoker) AS
		SELECT tenant_id, id FROM app.leads; GRANT USAGE ON SCHEMA billing TO :app; GRANT SELECT ON billing.bills TO :app`,
		":app", db.Roles["app"]))
	s := serveTreeTo(t, db, nil, nil, "billing")
	profile := "Accept-Profile: billing"
	for _, tt := range []struct {
		path   string
		header []string
		want   int
	}{
		{"bills", []string{profile}, 200}, {"bills", []string{profile, wideScope}, 400}, {"leads", []string{wideScope}, 200},
	} {
		if got := s.do(t, call{tenant: treeTenant("A"), path: tt.path, header: tt.header}); got.Status != tt.want {
			t.Errorf("%s %s: %d %s, want %d", tt.path, tt.header, got.Status, got.Body, tt.want)
		}
	}
}

// Where there is no role that reads the tree, each tenant still reads its own rows.
func TestWideNeedsTheTreesRole(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), func(s *catalog.Shapes) { s.Tree.Role = "nobody" })
	c := call{tenant: treeTenant("A"), path: "leads"}
	if got := s.do(t, c); got.Status != 200 {
		t.Errorf("own: %d %s", got.Status, got.Body)
	}
	c.header = []string{wideScope}
	if got := s.do(t, c); got.Status != 400 || !strings.Contains(got.Body, "MOAT107") {
		t.Errorf("wide: %d %s", got.Status, got.Body)
	}
	if log := s.log.String(); !strings.Contains(log, "the tree's role nobody does not exist") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// The functions behind the casts of a domain are not called for several tenants.
func TestWideShowsDomainsAsTheyAre(t *testing.T) {
	t.Parallel()
	db := treeDatabase(t)
	db.Exec(t, `CREATE DOMAIN app.hue AS int;
		CREATE FUNCTION app.hue_json(app.hue) RETURNS json LANGUAGE sql STABLE AS $$ SELECT '"hue"'::json $$;
		CREATE CAST (app.hue AS json) WITH FUNCTION app.hue_json(app.hue) AS IMPLICIT;
		ALTER TABLE app.leads ADD color app.hue DEFAULT 7`)
	s := serveTree(t, db, nil)
	c := call{tenant: treeTenant("A11"), path: "leads?select=color&id=eq.1"}
	sameJSON(t, s.do(t, c).Body, `[{"color":"hue"}]`)
	c.header = []string{wideScope}
	sameJSON(t, s.do(t, c).Body, `[{"color":7}]`)
}

// What cannot be told apart by tenant, or is one tenant's whoever asks, is not read of several;
// and where a view leaves out part of a key, ids that tenants share join nothing.
func TestWideTellsTenantsApart(t *testing.T) {
	t.Parallel()
	db := treeDatabase(t)
	db.Exec(t, strings.NewReplacer(":app", db.Roles["app"], ":tree", db.Roles["tree"]).Replace(`
		GRANT CREATE ON SCHEMA app TO :app; ALTER VIEW app.hot RESET (security_invoker); ALTER VIEW app.hot OWNER TO :app;
		REVOKE CREATE ON SCHEMA app FROM :app;
		REVOKE SELECT ON app.notes FROM :tree; GRANT SELECT (id, body) ON app.notes TO :tree;
		CREATE VIEW app.seen WITH (security_barrier, security_invoker) AS SELECT board_id, shared_with FROM app.board_share;
		GRANT SELECT ON app.seen TO :app`))
	s := serveTree(t, db, nil)
	for path, want := range map[string]struct{ wide, own string }{
		"hot?select=name":            {"MOAT109", "A1 lead"},
		"notes?select=body":          {"MOAT109", "A1 lead"},
		"seen?select=board(title)":   {"", "PGRST200"},
		"seen?select=shared_with":    {"", treeTenant("A1")},
		"leads?select=notes(body)":   {"PGRST200", "A1 lead"},
		"board_share?select=board()": {"", "{}"},
	} {
		c := call{tenant: treeTenant("A1"), path: path}
		if got := s.do(t, c); !strings.Contains(got.Body, want.own) {
			t.Errorf("%s: %d %s, want %s", path, got.Status, got.Body, want.own)
		}
		c.header = []string{wideScope}
		if got := s.do(t, c); !strings.Contains(got.Body, want.wide) {
			t.Errorf("%s, wide: %d %s, want %s", path, got.Status, got.Body, want.wide)
		}
	}
}

// A tenant that moat suspends is left out of what is above it too.
func TestWideLeavesOutWhoMoatSuspends(t *testing.T) {
	t.Parallel()
	db := treeDatabase(t)
	conn := db.Conn(t, db.URL)
	v, err := tenancy.Read(t.Context(), conn, tenancy.Options{Column: "tenant_id", Schemas: []string{"app"},
		Shared: []catalog.QName{{Schema: "app", Name: "countries"}}, Shapes: treeShapes(db.Roles["tree"])})
	if err != nil {
		t.Fatal(err)
	}
	if err := standing.Install(t.Context(), conn, v, conn.Config().User, []string{db.Roles["app"]}); err != nil {
		t.Fatal(err)
	}
	s := serveTree(t, db, nil)
	ask := call{tenant: treeTenant("A"), path: "leads?id=eq.1&order=name", header: []string{wideScope}}
	if err := standing.Suspend(t.Context(), conn, v, treeTenant("A11"), "olga", "a test"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(column(t, s.do(t, ask), "name"), ","); got != "A lead 1,A1 lead 1,A2 lead 1,A31 lead 1" {
		t.Errorf("with A11 suspended: %s", got)
	}
	ask = call{tenant: treeTenant("A11"), path: "leads"}
	if got := s.do(t, ask); got.Status != 403 {
		t.Errorf("A11 itself: %d %s", got.Status, got.Body)
	}
}

// Where the tree's role cannot read who is suspended, nothing below is served.
func TestWideNeedsToKnowWhoIsSuspended(t *testing.T) {
	t.Parallel()
	db := treeDatabase(t)
	db.Exec(t, fmt.Sprintf("REVOKE SELECT ON app.tenants FROM %[1]s; GRANT SELECT (id, name) ON app.tenants TO %[1]s",
		pgx.Identifier{db.Roles["tree"]}.Sanitize()))
	s := serveTree(t, db, nil)
	got := s.do(t, call{tenant: treeTenant("A"), path: "leads", header: []string{wideScope}})
	if got.Status != 400 || !strings.Contains(got.Body, "MOAT107") || !strings.Contains(s.log.String(), "suspended") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := s.do(t, call{tenant: treeTenant("A"), path: "leads"}); got.Status != 200 {
		t.Errorf("its own rows: %d %s", got.Status, got.Body)
	}
}

// Writes are the policies' to allow where rows concern several tenants.
func TestWritesOfMixedTables(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), nil)
	representation := []string{"Prefer: return=representation"}
	for _, tt := range []struct {
		name, method, path, body string
		rows                     int
	}{
		{"its own order", "PATCH", "orders?id=eq.1", `{"amount":5}`, 1},
		{"an order as the buyer", "PATCH", "orders?id=eq.2", `{"amount":5}`, 0},
		{"a board it may edit", "PATCH", "board?title=eq.board of F", `{"title":"edited"}`, 1},
		{"a board it may read", "PATCH", "board?title=eq.board of A2", `{"title":"edited"}`, 0},
		{"a row for everybody", "PATCH", "labels?id=eq.100", `{"name":"mine"}`, 0},
		{"a row from above", "PATCH", "templates?name=eq.template of A", `{"name":"mine"}`, 0},
		{"its own template, whose id is one above too", "DELETE", "templates?id=eq.1", "", 1},
		{"a new order", "POST", "orders", `{"id":50,"buyer":"` + treeTenant("F") + `","amount":1}`, 1},
	} {
		got := s.do(t, call{tenant: treeTenant("A1"), method: tt.method, path: tt.path, body: tt.body,
			header: representation})
		var rows []any
		if err := json.Unmarshal([]byte(got.Body), &rows); err != nil || len(rows) != tt.rows || got.Status > 299 {
			t.Errorf("%s: %d %s, want %d rows", tt.name, got.Status, got.Body, tt.rows)
		}
	}
	got := s.do(t, call{tenant: treeTenant("A1"), method: "POST", path: "orders",
		body: `{"id":51,"seller":"` + treeTenant("F") + `","buyer":"` + treeTenant("A1") + `","amount":1}`})
	if got.Status != 400 || !strings.Contains(got.Body, "MOAT101") {
		t.Errorf("an order in another's name: %d %s", got.Status, got.Body)
	}
}

func TestOpenAPITellsOfTheScope(t *testing.T) {
	t.Parallel()
	s := serveTree(t, treeDatabase(t), nil)
	var doc struct {
		Paths map[string]struct {
			Get struct{ Parameters []map[string]any }
		}
	}
	got := s.do(t, call{tenant: treeTenant("A")})
	if err := json.Unmarshal([]byte(got.Body), &doc); err != nil {
		t.Fatal(err)
	}
	widens := func(path string) bool {
		return slices.ContainsFunc(doc.Paths[path].Get.Parameters,
			func(p map[string]any) bool { return p["$ref"] == "#/components/parameters/scope" })
	}
	if !widens("/leads") || widens("/nameless") {
		t.Errorf("leads: %v, nameless: %v", widens("/leads"), widens("/nameless"))
	}
}
