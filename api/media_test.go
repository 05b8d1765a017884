package api_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
)

// hues are a domain with casts, and a column of it.
const hues = `
	CREATE DOMAIN app.hue AS int;
	CREATE FUNCTION app.hue_json(app.hue) RETURNS json LANGUAGE sql IMMUTABLE AS
		$$ SELECT to_json('#' || lpad(to_hex($1), 6, '0')) $$;
	CREATE FUNCTION app.hue_text(text) RETURNS app.hue LANGUAGE sql IMMUTABLE AS
		$$ SELECT ('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int $$;
	CREATE FUNCTION app.hue_of(json) RETURNS app.hue LANGUAGE sql IMMUTABLE AS
		$$ SELECT app.hue_text($1 #>> '{}') $$;
	SET client_min_messages = error;
	CREATE CAST (app.hue AS json) WITH FUNCTION app.hue_json(app.hue) AS IMPLICIT;
	CREATE CAST (json AS app.hue) WITH FUNCTION app.hue_of(json) AS IMPLICIT;
	CREATE CAST (text AS app.hue) WITH FUNCTION app.hue_text(text) AS IMPLICIT;
	ALTER TABLE app.labels ADD color app.hue;
	UPDATE app.labels SET color = 255 WHERE id = 1;
	GRANT SELECT, INSERT, UPDATE ON app.labels TO :app;`

// TestRepresentations: the values of a domain look to clients as its casts say, in answers,
// bodies and URLs.
func TestRepresentations(t *testing.T) {
	t.Parallel()
	s := conforming(t, hues)
	write := func(method, path, body string) call {
		return call{method: method, path: path, body: body, header: []string{represent, "Prefer: tx=rollback"}}
	}
	checkAll(t, s, []expectation{
		{name: "read", call: call{path: "labels?id=eq.1&select=color"}, body: `[{"color":"#0000ff"}]`},
		{name: "star", call: call{path: "labels?id=eq.1"}, text: `"color":"#0000ff"`},
		{name: "filter", call: call{path: "labels?color=eq.0000ff&select=id"}, body: `[{"id":1}]`},
		{name: "list", call: call{path: "labels?color=in.(0000ff,000001)&select=id"}, body: `[{"id":1}]`},
		{name: "grouped", call: call{path: "labels?id=eq.1&select=color,count()"}, body: `[{"color":"#0000ff","count":1}]`},
		{name: "insert", call: write("POST", "labels?select=color", `{"id":71,"name":"x","color":"#00000a"}`), status: 201,
			body: `[{"color":"#00000a"}]`},
		{name: "update", call: write("PATCH", "labels?id=eq.1&select=color", `{"color":"#00000b"}`),
			body: `[{"color":"#00000b"}]`},
		{name: "upsert", call: write("PUT", "labels?id=eq.1&select=color", `{"id":1,"name":"n","color":"#c"}`),
			body: `[{"color":"#00000c"}]`},
		{name: "other tenant", call: call{tenant: tenantB, path: "labels?color=eq.0000ff&select=name"},
			body: `[{"name":"label of B"}]`},
	})
}

// handlers are a scalar result and aggregates that make answers of types of their own.
const handlers = `
	SET LOCAL check_function_bodies = off;
	CREATE DOMAIN app."text/html" AS text; CREATE DOMAIN app."image/x-bits" AS bytea;
	CREATE DOMAIN app."text/x-names" AS text; CREATE DOMAIN app."text/x-any" AS text;
	CREATE DOMAIN app."*/*" AS text;
	CREATE FUNCTION app.page() RETURNS app."text/html" LANGUAGE sql STABLE AS
		$$ SELECT CAST('<script>fetch("/portal/")</script>' AS "text/html") $$;
	CREATE FUNCTION app.bits() RETURNS app."image/x-bits" LANGUAGE sql STABLE AS
		$$ SELECT CAST('\x4142' AS app."image/x-bits") $$;
	CREATE FUNCTION app.anything() RETURNS app."*/*" LANGUAGE sql STABLE AS $$ SELECT CAST('any' AS app."*/*") $$;
	CREATE FUNCTION app.names_next(text, app.leads) RETURNS app."text/x-names" LANGUAGE sql IMMUTABLE AS
		$$ SELECT CAST($1 || $2.name || ';' AS app."text/x-names") $$;
	CREATE AGGREGATE app.names_of(app.leads) (INITCOND = '', STYPE = app."text/x-names", SFUNC = app.names_next);
	CREATE FUNCTION app.any_next(text, anyelement) RETURNS app."text/x-any" LANGUAGE sql IMMUTABLE AS
		$$ SELECT CAST($1 || $2::text || ';' AS app."text/x-any") $$;
	CREATE AGGREGATE app.any_of(anyelement) (INITCOND = '', STYPE = app."text/x-any", SFUNC = app.any_next)`

// TestMediaHandlers: functions of the database make answers of other types, of the caller's
// rows alone, and what they make cannot run in the portal's origin.
func TestMediaHandlers(t *testing.T) {
	t.Parallel()
	s := conforming(t, handlers)
	get := func(path, accept string) call { return call{path: path, header: []string{"Accept: " + accept}} }
	for _, e := range []struct {
		call       call
		kind, body string
	}{
		{get("rpc/page", "text/html"), "text/html", `<script>fetch("/portal/")</script>`},
		{get("rpc/bits", "image/x-bits"), "image/x-bits", "AB"},
		{get("rpc/anything", "made/up"), "application/octet-stream", "any"},
		{get("leads?id=eq.1", "text/x-names"), "text/x-names", "Ada;"},
		{get("leads?id=eq.1&select=id", "image/png, text/x-any;q=0.5"), "text/x-any", "(1);"},
		{get("leads?id=eq.1", "text/x-names;q=0.1, application/json"), "application/json; charset=utf-8", ""},
		{call{method: "PATCH", path: "leads?id=eq.1", body: `{"name":"Eve"}`, header: []string{"Accept: text/x-names",
			represent, "Prefer: tx=rollback"}}, "text/x-names", "Eve;"},
	} {
		got := s.do(t, e.call)
		if got.Status != 200 || got.Header.Get("Content-Type") != e.kind || e.body != "" && got.Body != e.body {
			t.Errorf("%s: %d %s %q", e.call.path, got.Status, got.Header.Get("Content-Type"), got.Body)
		}
		made := e.body != ""
		if sandboxed := strings.HasPrefix(got.Header.Get("Content-Security-Policy"), "sandbox"); sandboxed != made ||
			got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", e.call.path, got.Header)
		}
	}
	sameJSON(t, s.do(t, get("leads?select=id,name&id=eq.1", "application/geo+json")).Body, `{"type":"FeatureCollection",
		"features":[{"type":"Feature","geometry":null,"properties":{"id":1,"name":"Ada"}}]}`)
	all := s.do(t, call{tenant: tenantB, path: "leads", header: []string{"Accept: text/x-names"}})
	if all.Status != 200 || strings.Contains(all.Body, "Ada") || !strings.Contains(all.Header.Get("Content-Range"), "/*") {
		t.Errorf("another tenant: %d %q %v", all.Status, all.Body, all.Header)
	}
	plan := func(of string) (accept, header string) {
		return "application/vnd.pgrst.plan+text; for=\"" + of + "\"; options=verbose",
			"Content-Type: application/vnd.pgrst.plan+text; for=\"" + of + "\"; options=verbose; charset=utf-8"
	}
	ofNames, names := plan("text/x-names")
	ofPage, page := plan("text/html")
	checkAll(t, s, []expectation{
		{name: "the plan of rows", call: get("leads", ofNames), text: "names_of", header: names},
		{name: "the plan of a function", call: get("rpc/page", ofPage), text: "text/html", header: page},
		{name: "a choice of columns", call: get("leads?select=id", "text/x-names"), status: 406},
		{name: "not made for it", call: get("rpc/add?a=1", "text/html"), status: 406},
		{name: "not of another table", call: get("campaigns", "text/x-names"), status: 406},
	})
}

// TestOfTheRequest: functions see the cookies of a request, but moat's own, and its path
// below the API's; and one may describe the API.
func TestOfTheRequest(t *testing.T) {
	t.Parallel()
	db := database(t)
	db.Exec(t, `CREATE FUNCTION app.cookies() RETURNS json LANGUAGE sql STABLE AS
			$$ SELECT current_setting('request.cookies')::json $$;
		CREATE FUNCTION app.described() RETURNS json LANGUAGE sql STABLE AS $$ SELECT '{"openapi":"mine"}'::json $$;
		CREATE SCHEMA tools; CREATE FUNCTION tools.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
		GRANT USAGE ON SCHEMA tools TO PUBLIC;
		CREATE FUNCTION app.doubled(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN twice(n); END $$`)
	s := serveOn(t, db, func(c *api.Config) {
		c.RequestSettings, c.SearchPath, c.BriefErrors, c.AliasesOnly = true, []string{"tools"}, true, true
		c.RootSpec.Schema, c.RootSpec.Name = "app", "described"
	})
	cookie := "Cookie: a=1; moat_client=secret; __Host-moat_operator.1=secret; b=2"
	checkAll(t, s, []expectation{
		{name: "cookies", call: call{path: "rpc/cookies", header: []string{cookie}}, body: `{"a":"1","b":"2"}`},
		{name: "root", call: call{path: ""}, body: `{"openapi":"mine"}`},
		{name: "search path", call: call{path: "rpc/doubled?n=4"}, body: `8`},
		{name: "brief", call: call{path: "leds"}, status: 404,
			body:   `{"code":"PGRST205","message":"Could not find the table 'app.leds' in the schema cache"}`,
			header: "Proxy-Status: PostgREST; error=PGRST205"},
		{name: "alias", call: call{path: "leads?select=id,c:campaigns(name)&c.id=eq.1&limit=0"}, body: `[]`},
		{name: "name beside an alias", call: call{path: "leads?select=id,c:campaigns(name)&campaigns.id=eq.1"}, status: 400,
			text: "PGRST108"},
	})
}
