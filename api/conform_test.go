package api_test

import (
	"strings"
	"testing"

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
