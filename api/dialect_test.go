package api_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
)

// TestDialect holds what PostgREST does where a database is unlike the others of these
// tests: odd names, references to the table itself, functions with all kinds of results.
func TestDialect(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`
		CREATE TABLE app."order" (
			tenant_id uuid NOT NULL DEFAULT nullif(current_setting('app.current_tenant', true), '')::uuid,
			id bigint, "limit" int, "and" int, "a.b" text, "q""u" text, o oid,
			PRIMARY KEY (tenant_id, id));
		CREATE POLICY tenant_isolation ON app."order" AS RESTRICTIVE USING (tenant_id = (SELECT
			nullif(current_setting('app.current_tenant', true), '')::uuid));
		CREATE POLICY tenant_access ON app."order" TO :app USING (true);
		ALTER TABLE app."order" ENABLE ROW LEVEL SECURITY; ALTER TABLE app."order" FORCE ROW LEVEL SECURITY;
		GRANT SELECT, INSERT, UPDATE ON app."order" TO :app;
		INSERT INTO app."order" VALUES ('`+tenantA+`', 1, 10, 20, 'dot', 'quote', 42),
			('`+tenantA+`', 2, 11, 21, 'x', 'y', NULL),
			('`+tenantB+`', 3, 10, 20, 'of B', 'of B', 1);
		CREATE FUNCTION app.referrer(l app.leads) RETURNS SETOF app.leads ROWS 1 LANGUAGE sql STABLE AS
			$$ SELECT * FROM app.leads r WHERE r.tenant_id = l.tenant_id AND r.id = l.referrer_id $$;
		CREATE FUNCTION app.doubled(i int, OUT twice int) LANGUAGE sql IMMUTABLE AS $$ SELECT i * 2 $$;
		CREATE FUNCTION app.addresses() RETURNS SETOF app.address LANGUAGE sql STABLE AS $$ SELECT * FROM (VALUES ('Main 1',
			'Berlin'), ('Rue 2', 'Paris')) v $$;
		CREATE FUNCTION app.lead_named(n text) RETURNS app.leads LANGUAGE sql STABLE AS $$ SELECT * FROM app.leads WHERE
			name = n $$;
	`, ":app", db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) { c.AllowRollback = true })
	get := func(name, path, want string) expectation {
		return expectation{name: name, call: call{path: path}, body: want}
	}
	checkAll(t, s, []expectation{
		get("quoted reserved word", `order?select=id&"limit"=eq.10`, `[{"id":1}]`),
		get("quoted logic word", `order?select=id&"and"=gt.20`, `[{"id":2}]`),
		get("quoted dot", `order?select="a.b","q\"u"&"a.b"=eq.dot`, `[{"a.b":"dot","q\"u":"quote"}]`),
		get("reserved words that are not quoted", `order?select=id,limit,and&limit=1&order=limit.desc`,
			`[{"id":2,"limit":11,"and":21}]`),
		get("oid is a string", `order?select=o&id=eq.1`, `[{"o":"42"}]`),
		get("empty select", `order?select=&id=eq.2`, `[{"tenant_id":"`+tenantA+
			`","id":2,"limit":11,"and":21,"a.b":"x","q\"u":"y","o":null}]`),
		get("nothing selected but a condition", `leads?select=events!inner()`, `[{},{}]`),
		get("nothing selected inside", `events?id=eq.1&select=leads(campaigns())`, `[{}]`),
		get("nothing selected at any level", `events?id=eq.1&select=id,leads(campaigns(leads()))`, `[{"id":1}]`),
		{name: "nothing selected of something unknown", call: call{path: "events?select=id,leads(nobody())"}, status: 400,
			text: "PGRST200"},
		get("self to-many", "leads?id=eq.1&select=leads(id)&leads.order=id", `[{"leads":[{"id":2},{"id":3}]}]`),
		get("self to-many by column", "leads?id=eq.1&select=leads!referrer_id(id)&leads.order=id",
			`[{"leads":[{"id":2},{"id":3}]}]`),
		get("self to-one by column", "leads?id=eq.2&select=referrer_id(id)", `[{"referrer_id":{"id":1}}]`),
		get("computed to-one", "leads?id=in.(1,2)&order=id&select=id,referrer(name)",
			`[{"id":1,"referrer":null},{"id":2,"referrer":{"name":"Ada"}}]`),
		get("order by a computed to-one",
			"leads?select=id,referrer(name)&referrer_id=not.is.null&order=referrer(name).desc,id&limit=1",
			`[{"id":4,"referrer":{"name":"Bert \"the\" \\ Boss"}}]`),
		get("hint by the name that a foreign key without the tenant has",
			"events?id=eq.1&select=leads!events_lead_id_fkey(name)", `[{"leads":{"name":"Ada"}}]`),
		get("order of groups by a spread column",
			"leads?campaign_id=not.is.null&select=...campaigns(c:name),score.sum()&order=campaigns(name).desc",
			`[{"c":"Spring","sum":30},{"c":"Autumn","sum":null}]`),
		get("groups by what an embed shows", "events?select=count(),leads(campaign_id)",
			`[{"count":4,"leads":{"campaign_id":1}}]`),
		get("groups ordered by an embed", "events?select=count(),leads(name,score)&order=leads(score).desc",
			`[{"count":1,"leads":{"name":"Bert \"the\" \\ Boss","score":20}},{"count":3,"leads":{"name":"Ada","score":10}}]`),
		get("groups by an embedded list", "leads?id=in.(3,4)&select=count(),labels(id)", `[{"count":2,"labels":[]}]`),
		get("one OUT parameter", "rpc/doubled?i=4", `{"twice":8}`),
		get("composite type", "rpc/addresses?select=city&street=like.Main*", `[{"city":"Berlin"}]`),
		get("composite type ordered", "rpc/addresses?order=city.desc&limit=1", `[{"street":"Rue 2","city":"Paris"}]`),
		get("no row", "rpc/lead_named?n=nobody", `null`),
		{name: "a list where no function takes one", call: call{method: "POST", path: "rpc/doubled", body: `[1]`},
			status: 404, text: "with a single unnamed json/jsonb parameter, but"},
		{name: "variadic argument missing", call: call{path: "rpc/join_all"}, status: 404, text: "PGRST202"},
		{name: "variadic argument of a form", call: call{method: "POST", path: "rpc/join_all", body: "parts=x&parts=y",
			header: []string{"Content-Type: application/x-www-form-urlencoded"}}, body: `"x-y"`},
		{name: "one variadic argument of a form", call: call{method: "POST", path: "rpc/join_all", body: "parts=x",
			header: []string{"Content-Type: application/x-www-form-urlencoded"}}, body: `"x"`},
		{name: "max-affected of a scalar function", call: call{method: "POST", path: "rpc/doubled", body: `{"i":1}`,
			header: []string{"Prefer: handling=strict, max-affected=1"}}, status: 400, text: "PGRST128"},
		{name: "comparison with an embed", call: call{path: "leads?select=id,events(id)&events=eq.1"}, status: 400,
			text: "PGRST120"},
		get("filter by a column whose name is an alias too",
			"leads?select=name:id,score:events(id)&score=eq.20&score.limit=0", `[{"name":2,"score":[]}]`),
		{name: "put without the key", call: call{method: "PUT", path: "order?id=eq.1", body: `{"limit":1}`}, status: 400,
			text: "PGRST115"},
		{name: "options of the root", call: call{method: "OPTIONS", path: ""}, header: "Allow: OPTIONS,GET,HEAD"},
		{name: "unknown time zone", call: call{path: "leads?id=eq.1&select=created_at",
			header: []string{"Prefer: timezone=Mars/X, handling=lenient"}}, status: 400, text: "22023"},
		{name: "unknown time zone of a write", call: call{method: "POST", path: "order?select=id", body: `{"id":9}`,
			header: []string{"Prefer: timezone=Mars/X, return=representation, tx=rollback"}}, status: 400, text: "22023"},
		{name: "numeric time zone", call: call{path: "leads?id=eq.1&select=created_at",
			header: []string{"Prefer: timezone=+05:30"}}, body: `[{"created_at":"2024-01-01T04:30:00-05:30"}]`,
			header: "Preference-Applied: timezone=+05:30"},
	})
}

// TestViews embeds in views that rename, leave out the tenant column, join, and read
// other views; one tenant never meets another's rows through them.
func TestViews(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`
		CREATE VIEW app.people WITH (security_invoker = true) AS SELECT id AS person, name AS full_name, campaign_id AS c
			FROM app.leads;
		CREATE VIEW app.calls WITH (security_invoker = true) AS
			SELECT e.id AS event, e.lead_id AS lead, e.kind, n.name FROM app.events e JOIN app.leads n ON n.tenant_id =
				e.tenant_id AND n.id = e.lead_id WHERE e.kind = 'call';
		CREATE VIEW app.chain WITH (security_invoker = true) AS SELECT event AS e, lead AS l FROM app.calls;
		CREATE VIEW app.mixed WITH (security_invoker = true) AS SELECT id FROM app.leads UNION SELECT id FROM app.events;
		GRANT SELECT ON app.people, app.calls, app.chain, app.mixed TO :app`, ":app", db.Roles["app"]))
	s := serveOn(t, db, nil)
	get := func(name, path, want string) expectation {
		return expectation{name: name, call: call{path: path}, body: want}
	}
	of := func(tenant string, e expectation) expectation { e.call.tenant = tenant; return e }
	checkAll(t, s, []expectation{
		get("renamed key to-many", "people?person=eq.1&select=full_name,events(id)&events.order=id",
			`[{"full_name":"Ada","events":[{"id":1},{"id":2},{"id":3}]}]`),
		of(tenantB, get("the other tenant's own", "people?person=eq.1&select=full_name,events(id)",
			`[{"full_name":"Bruno","events":[{"id":1}]}]`)),
		get("renamed reference to-one", "people?person=eq.1&select=campaigns(name)", `[{"campaigns":{"name":"Spring"}}]`),
		get("into a view", "campaigns?id=eq.1&select=people(full_name)&people.order=person",
			`[{"people":[{"full_name":"Ada"},{"full_name":"Bert \"the\" \\ Boss"}]}]`),
		of(tenantB, get("into a view as the other", "campaigns?id=eq.1&select=people(full_name)",
			`[{"people":[{"full_name":"Bruno"}]}]`)),
		get("through a junction", "people?person=eq.2&select=labels(name)", `[{"labels":[{"name":"cold"}]}]`),
		get("a join", "calls?event=eq.4&select=name,leads!events_lead_fk(email)",
			`[{"name":"Bert \"the\" \\ Boss","leads":{"email":"bert@example.com"}}]`),
		get("a view of a view", "chain?e=eq.4&select=leads!events_lead_fk(name)",
			`[{"leads":{"name":"Bert \"the\" \\ Boss"}}]`),
		get("view and view", "chain?e=eq.4&select=people!events_lead_fk(full_name)",
			`[{"people":{"full_name":"Bert \"the\" \\ Boss"}}]`),
		get("inner with a filter", "people?events.kind=eq.mail&select=person,events!inner(kind)",
			`[{"person":1,"events":[{"kind":"mail"}]}]`),
		{name: "a union is no table's", call: call{path: "mixed?select=id,events(id)"}, status: 400, text: "PGRST200"},
		get("the tenant's own row through a view that shows it", "won_leads?id=eq.2&select=tenants(name)",
			`[{"tenants":{"name":"Acme"}}]`),
	})
}
