package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	checkAll(t, s, []expectation{
		{name: "table", call: call{method: "OPTIONS", path: "leads"},
			header: "Allow: OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"},
		{name: "read only", call: call{method: "OPTIONS", path: "countries"}, header: "Allow: OPTIONS,GET,HEAD"},
		{name: "function", call: call{method: "OPTIONS", path: "rpc/add"}, header: "Allow: OPTIONS,GET,HEAD,POST"},
	})
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`
		CREATE TABLE app.visits (tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true),
			'')::uuid, id bigint, lead_id bigint, page text,
			PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id))
			PARTITION BY HASH (tenant_id);
		CREATE TABLE app.visits_0 PARTITION OF app.visits FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE app.visits_1 PARTITION OF app.visits FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		CREATE POLICY tenant_isolation ON app.visits AS RESTRICTIVE USING (tenant_id =
			nullif(current_setting('app.current_tenant', true), '')::uuid);
		CREATE POLICY tenant_access ON app.visits TO :app USING (true);
		ALTER TABLE app.visits ENABLE ROW LEVEL SECURITY; ALTER TABLE app.visits FORCE ROW LEVEL SECURITY;
		GRANT SELECT, INSERT, UPDATE ON app.visits, app.visits_0, app.visits_1 TO :app;
		INSERT INTO app.visits (tenant_id, id, lead_id, page) VALUES ('`+tenantA+`', 1, 1, 'a'), ('`+tenantB+`', 1, 1, 'b'),
			('`+tenantB+`', 9, 1, 'what is new to another tenant')`, ":app", db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) { c.AllowRollback = true })
	checkAll(t, s, []expectation{
		{name: "rows", call: call{path: "visits?select=page"}, body: `[{"page":"a"}]`},
		{name: "embed", call: call{path: "leads?id=eq.1&select=visits(page)"}, body: `[{"visits":[{"page":"a"}]}]`},
		{name: "embed back", call: call{path: "visits?select=leads(name)"}, body: `[{"leads":{"name":"Ada"}}]`},
		{name: "upsert", call: call{method: "POST", path: "visits?select=page", body: `{"id":1,"lead_id":1,"page":"a"}`,
			header: []string{represent, "Prefer: resolution=merge-duplicates"}}, body: `[{"page":"a"}]`},
		{name: "upsert of a new row", call: call{method: "POST", path: "visits?select=id,leads(id)",
			body:   `[{"id":1,"lead_id":1},{"id":2,"lead_id":1}]`,
			header: []string{represent, "Prefer: resolution=merge-duplicates, tx=rollback"}}, status: 201,
			body: `[{"id":1,"leads":{"id":1}},{"id":2,"leads":{"id":1}}]`},
		{name: "put", call: call{method: "PUT", path: "visits?id=eq.1", body: `{"id":1,"page":"a"}`,
			header: []string{"Prefer: tx=rollback"}}, status: 204},
		{name: "put of a new row", call: call{method: "PUT", path: "visits?id=eq.9&select=id", body: `{"id":9}`,
			header: []string{represent, "Prefer: tx=rollback"}}, status: 201, body: `[{"id":9}]`},
		{name: "a partition", call: call{path: "visits_0"}, status: 404, text: "PGRST205"},
	})
}

func TestRaisePGRST(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, `CREATE FUNCTION app.raises() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
		RAISE SQLSTATE 'PGRST' USING MESSAGE = '{"code":"T1","message":"own","details":"d","hint":null}', DETAIL =
			'{"status":419,"headers":{"X-Own":"yes"}}'; END $$`)
	s := serveOn(t, db, nil)
	expectation{call: call{method: "POST", path: "rpc/raises"}, status: 419, header: "X-Own: yes",
		body: `{"code":"T1","details":"d","hint":null,"message":"own"}`}.check(t, s)
}

func TestAggregatesAreASetting(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.AllowAggregates = false })
	checkAll(t, s, []expectation{
		{name: "sum", call: call{path: "leads?select=score.sum()"}, status: 400, text: "PGRST123"},
		{name: "inside", call: call{path: "campaigns?select=leads(score.sum())"}, status: 400, text: "PGRST123"},
		{name: "spread", call: call{path: "leads?select=...campaigns(budget.max())"}, status: 400, text: "PGRST123"},
		{name: "bare count", call: call{path: "campaigns?id=eq.1&select=leads(count)"}, body: `[{"leads":[{"count":2}]}]`},
	})
}

// TestColumnPrivileges: what the role may not read is not there, for the star too.
func TestColumnPrivileges(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, fmt.Sprintf(`REVOKE ALL ON app.events FROM %[1]s; GRANT SELECT (tenant_id, id, kind), INSERT (tenant_id,
		id, lead_id, kind), UPDATE (kind) ON app.events TO %[1]s`, db.Roles["app"]))
	s := serveOn(t, db, nil)
	checkAll(t, s, []expectation{
		{name: "star", call: call{path: "events?id=eq.1"}, body: `[{"tenant_id":"` + tenantA + `","id":1,"kind":"call"}]`},
		{name: "named", call: call{path: "events?select=amount"}, status: 400, text: "42703"},
		{name: "filter", call: call{path: "events?amount=gt.1"}, status: 400, text: "42703"},
		{name: "insert", call: call{method: "POST", path: "events?select=id", body: `{"id":70,"lead_id":1,"kind":"x"}`,
			header: []string{represent}}, status: 201, body: `[{"id":70}]`},
		{name: "insert what is not granted", call: call{method: "POST", path: "events",
			body: `{"id":71,"lead_id":1,"kind":"x","amount":1}`}, status: 400, text: "PGRST204"},
		{name: "update what is not granted", call: call{method: "PATCH", path: "events?id=eq.2", body: `{"id":9}`},
			status: 403, text: "42501"},
		{name: "delete is not granted", call: call{method: "DELETE", path: "events?id=eq.2"}, status: 403, text: "42501"},
		{name: "singular without an entity tag", call: call{path: "events?id=eq.1", header: []string{object}}},
	})
}

// TestNothingFromTheRequestInTheLog sends what must not be logged in every place.
func TestNothingFromTheRequestInTheLog(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.do(t, call{path: "leads?email=eq.private@example.com"})
	s.do(t, call{path: "leads?name=match.(private"})
	s.do(t, call{method: "POST", path: "labels", body: `{"id":1,"name":"private"}`})
	s.do(t, call{path: "private-table"})
	if log := s.log.String(); strings.Contains(log, "private") {
		t.Error(log)
	}
}

var testName = regexp.MustCompile("`(Test[A-Za-z]+)(/[^`]+)?`")

// TestCompatibilityTable: each test that the reference names is there.
func TestCompatibilityTable(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile(filepath.Join("..", "docs", "reference", "postgrest-compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, folder := range []string{".", "../auth", "../internal/cli"} {
		some, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	found := testName.FindAllStringSubmatch(string(table), -1)
	if len(found) < 90 {
		t.Errorf("the table names %d tests", len(found))
	}
	for _, m := range found {
		if !strings.Contains(source.String(), "func "+m[1]+"(") {
			t.Errorf("%s is not a test", m[1])
		}
		if sub := strings.ReplaceAll(strings.TrimPrefix(m[2], "/"), "_", " "); sub != "" &&
			!strings.Contains(strings.ReplaceAll(source.String(), "_", " "), `"`+sub+`"`) {
			t.Errorf("%s%s is not a test", m[1], m[2])
		}
	}
}
