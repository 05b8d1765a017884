package api_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/catalog"
)

// narrowed is a server whose role may do everything with the tables of its schema, and
// whose clients may not.
func narrowed(t *testing.T, expose map[string]api.Access) *server {
	t.Helper()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`
		GRANT INSERT, UPDATE, DELETE ON app.tenants, app.members TO :app;
		CREATE POLICY tenant_change ON app.tenants FOR UPDATE TO :app USING (true);
		ALTER TABLE app.countries ADD CONSTRAINT short CHECK (length(code) = 2), ADD COLUMN zone int DEFAULT 4711;
		GRANT UPDATE ON app.countries TO :app;
		CREATE VIEW app.names WITH (security_invoker) AS SELECT id, tenant_id, name AS called FROM app.leads;
		CREATE VIEW app.names_again WITH (security_invoker) AS SELECT * FROM app.names;
		CREATE VIEW app.accounts WITH (security_invoker) AS SELECT id, name, suspended FROM app.tenants;
		CREATE VIEW app.tagged WITH (security_invoker) AS SELECT id, tenant_id, name FROM app.labels;
		GRANT SELECT, INSERT, UPDATE, DELETE ON app.names, app.names_again, app.accounts, app.tagged TO :app`,
		":app", db.Roles["app"]))
	return serveOn(t, db, func(c *api.Config) {
		a := api.Admission{Expose: map[catalog.QName]api.Access{},
			Membership: api.Membership{Table: catalog.QName{Schema: "app", Name: "members"}}}
		for name, access := range expose {
			a.Expose[catalog.QName{Schema: "app", Name: name}] = access
		}
		c.Door = api.NewDoor(c.DB, a)
	})
}

func TestHiddenColumns(t *testing.T) {
	t.Parallel()
	s := narrowed(t, map[string]api.Access{"leads": {Hide: []string{"score", "tenant_id"}}, "events": {Hidden: true},
		"labels": {Hide: []string{"id"}}, "countries": {Hide: []string{"zone"}}})
	const unknown = "column leads.score does not exist"
	checkAll(t, s, []expectation{
		{name: "select", call: call{path: "leads?select=score"}, status: 400, text: unknown},
		{name: "filter", call: call{path: "leads?score=eq.10"}, status: 400, text: unknown},
		{name: "order", call: call{path: "leads?order=score"}, status: 400, text: unknown},
		{name: "aggregate", call: call{path: "leads?select=score.sum()"}, status: 400, text: unknown},
		{name: "embedded", call: call{path: "campaigns?select=leads(score)"}, status: 400, text: unknown},
		{name: "result of a function", call: call{path: "rpc/first_lead?select=score"}, status: 400, text: unknown},
		{name: "insert", call: call{method: "POST", path: "leads", body: `{"name":"x","score":1}`}, status: 400},
		{name: "update", call: call{method: "PATCH", path: "leads?id=eq.1", body: `{"score":1}`}, status: 400},
		{name: "table", call: call{path: "events"}, status: 404, text: "PGRST205"},
		{name: "embedded table", call: call{path: "leads?select=id,events(*)"}, status: 400, text: "PGRST200"},
		{name: "a key that is not seen", call: call{path: "labels?select=name&order=name"},
			body: `[{"name":"cold"},{"name":"hot"}]`},
		{name: "and is no cursor", call: call{path: "labels?after="}, status: 400, text: "MOAT120"},
		{name: "its own tenant still", call: call{path: "leads?select=id&order=id&limit=1"}, body: `[{"id":1}]`},
	})
	for _, path := range []string{"leads?id=eq.1", "campaigns?select=leads(*)&id=eq.1", "rpc/first_lead"} {
		if got := s.do(t, call{path: path}); got.Status != 200 || strings.Contains(got.Body, `"score"`) ||
			strings.Contains(got.Body, `"tenant_id"`) || !strings.Contains(got.Body, `"name":"Ada"`) {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	single := s.do(t, call{path: "leads?id=eq.1", header: []string{"Accept: application/vnd.pgrst.object+json"}})
	if single.Status != 200 || single.Header.Get("ETag") != "" {
		t.Errorf("a hash of the hidden: %d %v", single.Status, single.Header)
	}
	returned := s.do(t, call{method: "PATCH", path: "leads?id=eq.1", body: `{"name":"Ada"}`,
		header: []string{"Prefer: return=representation"}})
	if returned.Status != 200 || strings.Contains(returned.Body, "score") {
		t.Errorf("returned: %d %s", returned.Status, returned.Body)
	}
	refused := s.do(t, call{method: "PATCH", path: "countries?code=eq.it", body: `{"code":"ita"}`})
	if refused.Status != 400 || !strings.Contains(refused.Body, "23514") || strings.Contains(refused.Body, "4711") {
		t.Errorf("a broken constraint: %d %s", refused.Status, refused.Body)
	}
	if got := s.do(t, call{}); strings.Contains(got.Body, `"score"`) || strings.Contains(got.Body, `"/events"`) ||
		!strings.Contains(got.Body, `"/leads"`) {
		t.Error("the description shows what is hidden")
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := narrowed(t, map[string]api.Access{"campaigns": {ReadOnly: true}, "leads": {Read: []string{"country"}}})
	const denied = "42501"
	write := func(name, method, path, body string, header ...string) expectation {
		return expectation{name: name, call: call{method: method, path: path, body: body, header: header}, status: 403,
			text: denied}
	}
	checkAll(t, s, []expectation{
		write("insert", "POST", "campaigns", `{"name":"x"}`),
		write("update", "PATCH", "campaigns?id=eq.1", `{"name":"x"}`),
		write("delete", "DELETE", "campaigns?id=eq.1", ""),
		write("column, insert", "POST", "leads", `{"name":"x","country":"de"}`),
		write("column, update", "PATCH", "leads?id=eq.1", `{"country":"de"}`),
		write("column, upsert", "POST", "leads", `{"id":1,"name":"x","country":"fr"}`,
			"Prefer: resolution=merge-duplicates"),
		write("through a view", "PATCH", "names?id=eq.1", `{"called":"x"}`),
		write("through two", "PATCH", "names_again?id=eq.1", `{"called":"x"}`),
		write("through a view, insert", "POST", "names", `{"id":77,"called":"x"}`),
		write("through a view, delete", "DELETE", "names?id=eq.4", ""),
		{name: "read", call: call{path: "names?id=eq.1&select=called"}, body: `[{"called":"Ada"}]`},
		{name: "a column beside it", call: call{method: "PATCH", path: "leads?id=eq.3", body: `{"score":5}`}, status: 204},
		{name: "another view", call: call{method: "PATCH", path: "tagged?id=eq.1", body: `{"name":"warm"}`}, status: 204},
	})
	allow := s.do(t, call{method: "OPTIONS", path: "campaigns"}).Header.Get("Allow")
	if allow != "OPTIONS,GET,HEAD" {
		t.Errorf("Allow: %s", allow)
	}
	if got := s.do(t, call{}); !strings.Contains(got.Body, `"read_campaigns"`) ||
		strings.Contains(got.Body, `"insert_campaigns"`) || strings.Contains(got.Body, `"update_names"`) {
		t.Error("the description offers what is refused")
	}
}

// Who the tenants are, and who their members, is not for clients to say, whatever the role
// may write.
func TestKeepersAreClosed(t *testing.T) {
	t.Parallel()
	closed := narrowed(t, nil)
	open := narrowed(t, map[string]api.Access{"tenants": {Write: []string{"name"}}, "members": {Write: []string{"role"}}})
	refused := []expectation{
		{name: "suspend", call: call{method: "PATCH", path: "tenants?name=eq.Acme", body: `{"suspended":true}`}},
		{name: "key", call: call{method: "PATCH", path: "tenants?name=eq.Acme", body: `{"id":"` + tenantB + `"}`}},
		{name: "new tenant", call: call{method: "POST", path: "tenants", body: `{"id":"` + tenantB + `","name":"x"}`}},
		{name: "end", call: call{method: "DELETE", path: "tenants?name=eq.Acme"}},
		{name: "view", call: call{method: "PATCH", path: "accounts?name=eq.Acme", body: `{"suspended":true}`}},
		{name: "member", call: call{method: "POST", path: "members", body: `{"subject":"eve","role":"admin"}`}},
		{name: "another's name", call: call{method: "PATCH", path: "members?subject=eq.ann", body: `{"subject":"eve"}`}},
		{name: "out", call: call{method: "DELETE", path: "members?subject=eq.ann"}},
	}
	for i := range refused {
		refused[i].status, refused[i].text = 403, "42501"
	}
	checkAll(t, open, refused)
	refused = append(refused,
		expectation{name: "name", call: call{method: "PATCH", path: "tenants?name=eq.Acme", body: `{"name":"x"}`},
			status: 403, text: "42501"},
		expectation{name: "role", call: call{method: "PATCH", path: "members?subject=eq.ann", body: `{"role":"x"}`},
			status: 403, text: "42501"})
	checkAll(t, closed, refused)
	checkAll(t, open, []expectation{
		{name: "listed", call: call{method: "PATCH", path: "tenants?suspended=is.false", body: `{"name":"Acme Ltd"}`},
			status: 204},
		{name: "listed role", call: call{method: "PATCH", path: "members?subject=eq.ann", body: `{"role":"owner"}`},
			status: 204},
	})
}

func TestExposeMustFit(t *testing.T) {
	t.Parallel()
	db := database(t)
	for want, expose := range map[string]map[string]api.Access{
		"app.nope: there is no such":      {"nope": {Hidden: true}},
		"no column nope":                  {"leads": {Hide: []string{"nope"}}},
		"only the tables of tenants":      {"leads": {Write: []string{"name"}}},
		"column suspended says who is":    {"tenants": {Write: []string{"name", "suspended"}}},
		"column id says which tenant":     {"tenants": {Write: []string{"id"}}},
		"column subject says who":         {"members": {Write: []string{"subject"}}},
		"column tenant_id says of which ": {"members": {Write: []string{"tenant_id"}}},
	} {
		err := start(t, db.As(t, db.Roles["app"]), func(c *api.Config) {
			a := api.Admission{Expose: map[catalog.QName]api.Access{},
				Membership: api.Membership{Table: catalog.QName{Schema: "app", Name: "members"}}}
			for name, access := range expose {
				a.Expose[catalog.QName{Schema: "app", Name: name}] = access
			}
			c.Door = api.NewDoor(c.DB, a)
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
