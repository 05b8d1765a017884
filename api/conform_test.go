package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/api"
)

// conforming is a server over what PostgREST's specification looks at and the other
// tests do not have.
func conforming(t *testing.T, sql string) *server {
	t.Helper()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(sql, ":app", db.Roles["app"]))
	return serveOn(t, db, func(c *api.Config) { c.AllowRollback, c.AllowExplain = true, true })
}

// TestCallsByGet: a function that is called by GET or HEAD can read and nothing else,
// whatever it is declared as.
func TestCallsByGet(t *testing.T) {
	t.Parallel()
	s := conforming(t, `
		CREATE FUNCTION app.counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM app.leads';
		CREATE FUNCTION app.slips() RETURNS void LANGUAGE plpgsql STABLE AS
			$$ BEGIN PERFORM app.rename_lead(1, 'slipped'); END $$;
		CREATE FUNCTION app.escapes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			PERFORM set_config('transaction_read_only', 'off', true);
			UPDATE app.leads SET name = 'escaped' WHERE id = 1; END $$;
		CREATE FUNCTION app.lost() RETURNS SETOF app.leads LANGUAGE sql AS
			$$ UPDATE app.leads SET name = 'lost' WHERE id = 1 RETURNING * $$`)
	get := func(name string, header ...string) call { return call{path: "rpc/" + name, header: header} }
	checkAll(t, s, []expectation{
		{name: "volatile that reads", call: get("counted"), body: `4`},
		{name: "head", call: call{method: "HEAD", path: "rpc/counted"}},
		{name: "post", call: call{method: "POST", path: "rpc/counted"}, body: `4`},
		{name: "volatile that writes", call: get("rename_lead?lead=1&new_name=x"), status: 405, text: "25006"},
		{name: "head that writes", call: call{method: "HEAD", path: "rpc/lost"}, status: 405},
		{name: "rolled back", call: get("lost", "Prefer: tx=rollback"), status: 405, text: "25006"},
		{name: "singular", call: get("lost", object), status: 405, text: "25006"},
		{name: "stable that calls one", call: get("slips"), status: 405, text: "25006"},
		{name: "way back to writing", call: get("escapes"), status: 500, text: "25001"},
		{name: "options of a volatile", call: call{method: "OPTIONS", path: "rpc/counted"}, header: "Allow: OPTIONS,POST"},
		{name: "options of a stable", call: call{method: "OPTIONS", path: "rpc/add"},
			header: "Allow: OPTIONS,GET,HEAD,POST"},
		{name: "nothing was written", call: call{path: "leads?id=eq.1&select=name"}, body: `[{"name":"Ada"}]`},
	})
}

// TestArgumentLengths: PostgreSQL drops the length of a parameter's type, and its name
// without one must not cut the value.
func TestArgumentLengths(t *testing.T) {
	t.Parallel()
	s := conforming(t, `
		CREATE FUNCTION app.code(c char(3)) RETURNS text LANGUAGE sql STABLE AS 'SELECT c::text';
		CREATE FUNCTION app.bits(b bit(4)) RETURNS text LANGUAGE sql STABLE AS 'SELECT b::text';
		CREATE FUNCTION app.codes(VARIADIC c char(3)[]) RETURNS text LANGUAGE sql STABLE AS
			$$ SELECT array_to_string(c, ',') $$`)
	post := func(path, body string) call { return call{method: "POST", path: path, body: body} }
	checkAll(t, s, []expectation{
		{name: "char by get", call: call{path: "rpc/code?c=USD"}, body: `"USD"`},
		{name: "char by post", call: post("rpc/code", `{"c":"USD"}`), body: `"USD"`},
		{name: "bit by get", call: call{path: "rpc/bits?b=1010"}, body: `"1010"`},
		{name: "bit by post", call: post("rpc/bits", `{"b":"1010"}`), body: `"1010"`},
		{name: "char array by get", call: call{path: "rpc/codes?c=USD&c=EUR"}, body: `"USD,EUR"`},
		{name: "char array by post", call: post("rpc/codes", `{"c":["USD","EUR"]}`), body: `"USD,EUR"`},
	})
}

// TestInsteadOf: a view is writable where a trigger writes in its place, and the trigger
// writes as the caller.
func TestInsteadOf(t *testing.T) {
	t.Parallel()
	s := conforming(t, `
		CREATE VIEW app.joined WITH (security_invoker = true) AS SELECT l.id, l.name, c.name AS campaign
			FROM app.leads l JOIN app.campaigns c ON c.tenant_id = l.tenant_id AND c.id = l.campaign_id;
		CREATE FUNCTION app.joined_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF TG_OP = 'DELETE' THEN DELETE FROM app.leads WHERE id = OLD.id; RETURN OLD; END IF;
			INSERT INTO app.leads (name, campaign_id) SELECT NEW.name, id FROM app.campaigns WHERE name = NEW.campaign
				RETURNING id INTO NEW.id; RETURN NEW; END $$;
		CREATE TRIGGER i INSTEAD OF INSERT OR DELETE ON app.joined FOR EACH ROW EXECUTE FUNCTION app.joined_write();
		GRANT SELECT, INSERT, UPDATE, DELETE ON app.joined TO :app`)
	checkAll(t, s, []expectation{
		{name: "insert", call: call{method: "POST", path: "joined?select=name,campaign",
			body: `{"name":"x","campaign":"Spring"}`, header: []string{represent, "Prefer: tx=rollback"}}, status: 201,
			body: `[{"name":"x","campaign":"Spring"}]`},
		{name: "delete", call: call{method: "DELETE", path: "joined?id=eq.3&select=id",
			header: []string{represent, "Prefer: tx=rollback"}}, body: `[{"id":3}]`},
		{name: "no trigger for it", call: call{method: "PATCH", path: "joined?id=eq.1", body: `{"name":"x"}`}, status: 403},
		{name: "options", call: call{method: "OPTIONS", path: "joined"}, header: "Allow: OPTIONS,GET,HEAD,POST,DELETE"},
	})
	got := s.do(t, call{tenant: tenantB, method: "DELETE", path: "joined?id=eq.1&select=name",
		header: []string{represent, "Prefer: tx=rollback"}})
	if got.Status != 200 || strings.Contains(got.Body, "Ada") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	sameJSON(t, s.do(t, call{path: "leads?id=eq.1&select=name"}).Body, `[{"name":"Ada"}]`)
}

// TestSentByFunctions: triggers and the pre-request function set status and headers of the
// answer, but nothing that keeps browsers and tenants apart, and nothing of another request.
func TestSentByFunctions(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, strings.ReplaceAll(`
		CREATE FUNCTION app.sends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			PERFORM set_config('response.headers', '[{"X-Sent": "yes"}, {"Set-Cookie": "a=b"}, {"X-Frame-Options": "ALLOW"},
				{"Access-Control-Allow-Origin": "*"}, {"Content-Type": "text/html"}]', true);
			PERFORM set_config('response.status', '202', true); RETURN NEW; END $$;
		CREATE TRIGGER sends AFTER UPDATE ON app.labels FOR EACH ROW EXECUTE FUNCTION app.sends();
		CREATE FUNCTION app.leaves() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
			PERFORM set_config('response.headers', '[{"X-Left": "of A"}]', false); RETURN 1; END $$;
		CREATE FUNCTION app.before() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			PERFORM set_config('response.headers', '[{"X-Before": "yes"}]', true); END $$;
		CREATE FUNCTION app.raises() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			RAISE SQLSTATE 'PGRST' USING MESSAGE = '{"code":"1","message":"m"}',
				DETAIL = '{"status":418,"headers":{"X-Sent":"yes","Set-Cookie":"a=b"}}'; END $$;
	`, ":app", db.Roles["app"]))
	s := serveOn(t, db, func(c *api.Config) { c.AllowRollback = true })
	patch := call{method: "PATCH", path: "labels?id=eq.1", body: `{"name":"n"}`, header: []string{"Prefer: tx=rollback"}}
	got := s.do(t, patch)
	if got.Status != 202 || got.Header.Get("X-Sent") != "yes" || got.Header.Get("Set-Cookie") != "" ||
		got.Header.Get("X-Frame-Options") != "DENY" || got.Header.Get("Access-Control-Allow-Origin") != "" ||
		!strings.HasPrefix(got.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	got = s.do(t, call{method: "POST", path: "rpc/raises", body: `{}`})
	if got.Status != 418 || got.Header.Get("X-Sent") != "yes" || got.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v", got.Status, got.Header)
	}
	for range 20 { // as many as there are connections, and more
		s.do(t, call{method: "POST", path: "rpc/leaves", body: `{}`})
		got = s.do(t, call{tenant: tenantB, method: "POST", path: "rpc/add", body: `{"a":1}`})
		if got.Status != 200 || got.Header.Get("X-Left") != "" {
			t.Fatalf("%d %v", got.Status, got.Header)
		}
	}
	s = serveOn(t, db, func(c *api.Config) { c.PreRequest.Schema, c.PreRequest.Name = "app", "before" })
	checkAll(t, s, []expectation{
		{name: "read", call: call{path: "leads?select=id"}, header: "X-Before: yes"},
		{name: "call", call: call{path: "rpc/add?a=1"}, header: "X-Before: yes"},
	})
}

// TestSearchPath: functions find what is in the exposed schema by its bare name.
func TestSearchPath(t *testing.T) {
	t.Parallel()
	s := conforming(t, `
		CREATE FUNCTION app.bare() RETURNS bigint LANGUAGE plpgsql STABLE AS
			$$ BEGIN RETURN (SELECT count(*) FROM leads); END $$;
		CREATE FUNCTION extra.path() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('search_path') $$;
		CREATE FUNCTION app.bare_trigger() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN NEW.name := (SELECT count(*) FROM campaigns)::text; RETURN NEW; END $$;
		CREATE TRIGGER bare BEFORE UPDATE ON app.labels FOR EACH ROW EXECUTE FUNCTION app.bare_trigger();
		CREATE FUNCTION app.peers(l app.leads) RETURNS bigint LANGUAGE plpgsql STABLE AS
			$$ BEGIN RETURN (SELECT count(*) FROM leads); END $$`)
	checkAll(t, s, []expectation{
		{name: "call", call: call{path: "rpc/bare"}, body: `4`},
		{name: "post", call: call{method: "POST", path: "rpc/bare", body: `{}`}, body: `4`},
		{name: "other schema", call: call{path: "rpc/path", header: []string{"Accept-Profile: extra"}},
			body: `"\"extra\", \"$user\", public"`, header: "Content-Profile: extra"},
		{name: "trigger", call: call{method: "PATCH", path: "labels?id=eq.1&select=name", body: `{"name":"x"}`,
			header: []string{represent, "Prefer: tx=rollback"}}, body: `[{"name":"3"}]`},
		{name: "computed column", call: call{path: "leads?id=eq.1&select=peers"}, body: `[{"peers":4}]`},
	})
}

// TestFunctionTimeout: the statement_timeout of a function ends its calls, and no others.
func TestFunctionTimeout(t *testing.T) {
	t.Parallel()
	s := conforming(t, `CREATE FUNCTION app.naps(seconds float) RETURNS float LANGUAGE sql VOLATILE
		SET statement_timeout = '100ms' AS 'SELECT seconds FROM pg_sleep(seconds)'`)
	checkAll(t, s, []expectation{
		{name: "too long", call: call{method: "POST", path: "rpc/naps", body: `{"seconds":0.5}`}, status: 504, text: "57014"},
		{name: "short", call: call{method: "POST", path: "rpc/naps", body: `{"seconds":0}`}, body: "0"},
		{name: "another", call: call{method: "POST", path: "rpc/sleepy", body: `{"seconds":0.3}`}, status: 204},
	})
}

// TestLongFunction: a function with a statement_timeout beyond the request's own time has it, read
// or written, and a function with a shorter one has no more than the others.
func TestLongFunction(t *testing.T) {
	t.Parallel()
	db := database(t)
	for name, timeout := range map[string]string{"long": "1min", "short": "1ms"} {
		db.Exec(t, `CREATE FUNCTION app.`+name+`() RETURNS SETOF app.labels LANGUAGE sql VOLATILE SET statement_timeout = '`+
			timeout+`' AS 'SELECT l.* FROM app.labels l, pg_sleep(0.7) LIMIT 1'`)
	}
	s := serveOn(t, db, func(c *api.Config) { c.Limits.Timeout, c.AllowRollback = 500*time.Millisecond, true })
	checkAll(t, s, []expectation{
		{name: "read", call: call{path: "rpc/long"}, text: "id"},
		{name: "written", call: call{method: "POST", path: "rpc/long"}, text: "id"},
		{name: "in a transaction", call: call{method: "POST", path: "rpc/long", header: []string{object}}, text: "id"},
		{name: "short", call: call{path: "rpc/short"}, status: 504, text: "57014"},
		{name: "another", call: call{path: "rpc/sleepy?seconds=0.7", method: "GET"}, status: 503},
	})
}

// TestIndexOfJSON: an order and a filter by a JSON key name it as the expression of an index does.
func TestIndexOfJSON(t *testing.T) {
	t.Parallel()
	s := conforming(t, `CREATE INDEX ON app.leads (tenant_id, (details->>'city'));
		CREATE INDEX ON app.leads ((details->'a key''s'->>0))`)
	plan := []string{"Accept: application/vnd.pgrst.plan+text"}
	checkAll(t, s, []expectation{
		{name: "order", call: call{path: "leads?order=details->>city", header: plan}, text: "details ->> 'city'::text"},
		{name: "filter", call: call{path: "leads?details->>city=eq.x", header: plan}, text: "details ->> 'city'::text"},
		{name: "quoted", call: call{path: "leads?details->a%20key's=eq.1", header: plan}, text: "-> 'a key''s'::text"},
		{name: "no index", call: call{path: "leads?details->>town=eq.x", header: plan}, text: "details ->> $"},
		ids("rows", "leads?details->>city=eq.Paris", "2"),
	})
}

// TestPlanOfWrites: EXPLAIN of a write shows its plan and writes nothing.
func TestPlanOfWrites(t *testing.T) {
	t.Parallel()
	s := conforming(t, "")
	plan := "Accept: application/vnd.pgrst.plan+json"
	named := `Content-Type: application/vnd.pgrst.plan+json; for="application/json"; charset=utf-8`
	checkAll(t, s, []expectation{
		{name: "update", call: call{method: "PATCH", path: "leads?id=eq.1", body: `{"name":"x"}`, header: []string{plan}},
			text: "ModifyTable", header: named},
		{name: "insert", call: call{method: "POST", path: "labels", body: `{"id":77,"name":"x"}`, header: []string{plan}},
			text: "ModifyTable", header: named},
		{name: "delete", call: call{method: "DELETE", path: "events?id=gt.0", header: []string{plan}}, text: "ModifyTable"},
		{name: "put", call: call{method: "PUT", path: "labels?id=eq.77", body: `{"id":77,"name":"x"}`,
			header: []string{plan}}, text: "ModifyTable"},
		{name: "parameters", call: call{path: "leads", header: []string{
			`Accept: application/vnd.pgrst.plan+text; for="text/csv"; options=verbose|other`}}, text: "leads",
			header: `Content-Type: application/vnd.pgrst.plan+text; for="text/csv"; options=verbose; charset=utf-8`},
		{name: "of one object", call: call{path: "leads", header: []string{
			`Accept: application/vnd.pgrst.plan+text; for="application/vnd.pgrst.object"`}}, text: "leads",
			header: `Content-Type: application/vnd.pgrst.plan+text; for="application/vnd.pgrst.object+json"; charset=utf-8`},
		{name: "of what nothing makes", call: call{path: "leads", header: []string{plan + `; for="text/x-own"`}},
			header: named},
		{name: "analyze is left out", call: call{method: "DELETE", path: "events?id=gt.0",
			header: []string{plan + "; options=analyze|verbose|buffers"}}, text: "ModifyTable", header: strings.Replace(named,
			`"; charset`, `"; options=verbose; charset`, 1)},
	})
	sameJSON(t, s.do(t, call{path: "labels?id=eq.77"}).Body, `[]`)
	sameJSON(t, s.do(t, call{path: "events?select=count()"}).Body, `[{"count":4}]`)
}

// TestConforming holds small things that PostgREST takes or answers.
func TestConforming(t *testing.T) {
	t.Parallel()
	s := conforming(t, `
		CREATE TABLE app.series (tenant_id uuid NOT NULL, id bigint, title text, PRIMARY KEY (tenant_id, id));
		CREATE TABLE app.notices (tenant_id uuid NOT NULL, id bigint, series bigint, PRIMARY KEY (tenant_id, id),
			CONSTRAINT told FOREIGN KEY (tenant_id, series) REFERENCES app.series);
		INSERT INTO app.series VALUES ('`+tenantA+`', 1, 'S'); INSERT INTO app.notices VALUES ('`+tenantA+`', 1, 1);
		CREATE VIEW app.series_view WITH (security_invoker = true) AS SELECT tenant_id, id, title FROM app.series;
		CREATE POLICY i ON app.series AS RESTRICTIVE USING (tenant_id = (SELECT
			nullif(current_setting('app.current_tenant', true), '')::uuid));
		CREATE POLICY i ON app.notices AS RESTRICTIVE USING (tenant_id = (SELECT
			nullif(current_setting('app.current_tenant', true), '')::uuid));
		CREATE POLICY a ON app.series TO :app USING (true); CREATE POLICY a ON app.notices TO :app USING (true);
		ALTER TABLE app.series ENABLE ROW LEVEL SECURITY; ALTER TABLE app.series FORCE ROW LEVEL SECURITY;
		ALTER TABLE app.notices ENABLE ROW LEVEL SECURITY; ALTER TABLE app.notices FORCE ROW LEVEL SECURITY;
		GRANT SELECT ON app.series, app.notices, app.series_view TO :app`)
	get := func(name, path, want string) expectation {
		return expectation{name: name, call: call{path: path}, body: want}
	}
	write := func(method, path, body string, header ...string) call {
		return call{method: method, path: path, body: body, header: append(header, "Prefer: tx=rollback")}
	}
	merge := "Prefer: resolution=merge-duplicates"
	checkAll(t, s, []expectation{
		get("column named as the table", "notices?select=id,series(title)", `[{"id":1,"series":{"title":"S"}}]`),
		get("constraint beside a view", "notices?select=told(title)", `[{"told":{"title":"S"}}]`),
		get("the view by its name", "notices?select=series_view(title)", `[{"series_view":{"title":"S"}}]`),
		get("to-one offset", "leads?id=eq.1&select=id,campaigns(name)&campaigns.offset=1", `[{"id":1,"campaigns":null}]`),
		get("negative offset", "leads?select=id&offset=-1&limit=1&order=id", `[{"id":1}]`),
		get("blanks in a tree", "leads?select=id&order=id&and=( or ( id.eq.1 , id.eq.2 ) , id.gt.0 )",
			`[{"id":1},{"id":2}]`),
		get("blank list", "leads?select=id&score=in.(  )", `[]`),
		{name: "patch of an empty list", call: write("PATCH", "leads?id=eq.1&columns=score", `[]`), status: 204,
			header: "Content-Range: */*"},
		{name: "patch of an empty list, represented", call: write("PATCH", "leads?id=eq.1", `[]`, represent), body: `[]`},
		{name: "upsert of nothing", call: write("POST", "labels", `[]`, represent, merge), status: 200, body: `[]`},
		{name: "order of preferences", call: write("POST", "labels", `{"id":9,"name":"x"}`, represent, merge), status: 201,
			header: "Preference-Applied: resolution=merge-duplicates, return=representation, tx=rollback"},
		{name: "profile of the answer", call: call{path: "leads?limit=0"}, header: "Content-Profile: app"},
		get("spread aggregate beside an embed", "events?select=...leads(campaigns(name),score.sum())&lead_id=eq.1",
			`[{"campaigns":{"name":"Spring"},"sum":30}]`),
		get("order by a spread alias", "events?select=id,...leads(who:name)&order=leads(who).desc,id&limit=1",
			`[{"id":4,"who":"Bert \"the\" \\ Boss"}]`),
		get("order of groups by a spread alias",
			"events?select=count(),...leads(who:name)&order=leads(who).desc", `[{"count":1,"who":"Bert \"the\" \\ Boss"},
			{"count":3,"who":"Ada"}]`),
	})
	star := s.do(t, call{path: "events?id=eq.1&select=kind,...leads(*,...campaigns(*))"})
	if star.Status != 200 || !strings.Contains(star.Body, `"budget"`) || !strings.Contains(star.Body, `"score"`) {
		t.Errorf("* at two levels: %d %s", star.Status, star.Body)
	}
}
