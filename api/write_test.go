package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const (
	represent = "Prefer: return=representation"
	object    = "Accept: application/vnd.pgrst.object+json"
)

// step is a write with what the table holds afterwards.
type step struct {
	expectation
	after string // path read afterwards
	rows  string // what it must give
}

// TestWrites runs each step against a database of its own, because they change it.
func TestWrites(t *testing.T) {
	t.Parallel()
	post := func(path, body string, header ...string) call {
		return call{method: "POST", path: path, body: body, header: header}
	}
	patch := func(path, body string, header ...string) call {
		return call{method: "PATCH", path: path, body: body, header: header}
	}
	remove := func(path string, header ...string) call { return call{method: "DELETE", path: path, header: header} }
	put := func(path, body string, header ...string) call {
		return call{method: "PUT", path: path, body: body, header: header}
	}
	steps := []step{
		{expectation{name: "insert minimal", call: post("campaigns", `{"name":"New"}`), status: 201},
			"campaigns?name=eq.New&select=tenant_id,active", `[{"tenant_id":"` + tenantA + `","active":true}]`},
		{expectation{name: "insert representation",
			call: post("campaigns?select=id,name,budget", `{"id":7,"name":"New","budget":1.5}`, represent), status: 201,
			body: `[{"id":7,"name":"New","budget":1.50}]`}, "campaigns?id=eq.7&select=name", `[{"name":"New"}]`},
		{expectation{name: "insert singular", call: post("campaigns?select=id", `{"id":7,"name":"New"}`, represent, object),
			status: 201, body: `{"id":7}`}, "", ""},
		{expectation{name: "insert headers-only", call: post("campaigns", `{"id":7,"name":"New"}`,
			"Prefer: return=headers-only"), status: 201, header: "Location: /rest/v1/campaigns?id=eq.7"}, "", ""},
		{expectation{name: "insert many",
			call:   post("labels?select=id", `[{"id":7,"name":"x"},{"id":8,"name":"y"}]`, represent, "Prefer: count=exact"),
			status: 201, body: `[{"id":7},{"id":8}]`, header: "Content-Range: */2"}, "labels?id=gt.5&select=id&order=id",
			`[{"id":7},{"id":8}]`},
		{expectation{name: "insert empty list", call: post("labels", `[]`, represent), status: 201, body: `[]`}, "", ""},
		{expectation{name: "insert keys differ", call: post("labels", `[{"id":7,"name":"x"},{"id":8}]`), status: 400,
			text: "PGRST102"}, "", ""},
		{expectation{name: "insert columns",
			call: post("leads?columns=id,name,score&select=id,score,status",
				`[{"id":7,"name":"x","score":3,"other":1},{"id":8,"name":"y"}]`, represent), status: 201,
			body: `[{"id":7,"score":3,"status":"new"},{"id":8,"score":null,"status":"new"}]`}, "", ""},
		{expectation{name: "insert missing default",
			call: post("leads?columns=id,name,score&select=id,score", `[{"id":7,"name":"x","score":3},{"id":8,"name":"y"}]`,
				represent, "Prefer: missing=default"), status: 201, body: `[{"id":7,"score":3},{"id":8,"score":10}]`}, "", ""},
		{expectation{name: "insert missing identity", call: post("leads?columns=id,name&select=id,name", `[{"name":"x"}]`,
			represent, "Prefer: missing=default"), status: 201, body: `[{"id":1001,"name":"x"}]`}, "", ""},
		{expectation{name: "insert every type",
			call: post("leads?select=tags,details,home,ages,avatar,created_at,amount,email",
				`{"name":"x","tags":["p","q"],"details":{"a":[1]},"home":{"street":"s","city":"c"},"ages":"[1,3)",`+
					`"avatar":"\\x0102","created_at":"2024-05-05T00:00:00Z","amount":"12.34","email":"x@y"}`, represent),
			status: 201, body: `[{"tags":["p","q"],"details":{"a":[1]},"home":{"street":"s","city":"c"},"ages":"[1,3)",` +
				`"avatar":"\\x0102","created_at":"2024-05-05T00:00:00+00:00","amount":12.34,"email":"x@y"}]`}, "", ""},
		{expectation{name: "insert with embed",
			call: post("leads?select=name,campaigns(name),shout", `{"name":"x","campaign_id":1}`, represent), status: 201,
			body: `[{"name":"x","campaigns":{"name":"Spring"},"shout":"X"}]`}, "", ""},
		{expectation{name: "insert csv", call: post("labels?select=id,name", "id,name\n7,x\n8,\"y,z\"\n", represent,
			"Content-Type: text/csv"), status: 201, body: `[{"id":7,"name":"x"},{"id":8,"name":"y,z"}]`}, "", ""},
		{expectation{name: "insert csv null", call: post("leads?select=name,score", "name,score\nx,NULL\n", represent,
			"Content-Type: text/csv"), status: 201, body: `[{"name":"x","score":null}]`}, "", ""},
		{expectation{name: "insert form", call: post("labels?select=id,name", "id=7&name=x+y", represent,
			"Content-Type: application/x-www-form-urlencoded"), status: 201, body: `[{"id":7,"name":"x y"}]`}, "", ""},
		{expectation{name: "insert without default on the tenant column", call: post("transfers?select=tenant_id,from_lead",
			`{"from_lead":1}`, represent), status: 201, body: `[{"tenant_id":"` + tenantA + `","from_lead":1}]`}, "", ""},
		{expectation{name: "insert tenant column refused", call: post("labels",
			`{"tenant_id":"`+tenantB+`","id":9,"name":"x"}`), status: 400, text: "MOAT101"}, "labels?id=eq.9", `[]`},
		{expectation{name: "insert unknown column", call: post("labels", `{"id":9,"nme":"x"}`), status: 400,
			text: "PGRST204"}, "", ""},
		{expectation{name: "insert duplicate", call: post("labels", `{"id":1,"name":"x"}`), status: 409,
			text: "23505"}, "", ""},
		{expectation{name: "insert foreign key", call: post("leads", `{"name":"x","campaign_id":99}`), status: 409,
			text: "23503"}, "", ""},
		{expectation{name: "insert not null", call: post("labels", `{"id":9}`), status: 400, text: "23502"}, "", ""},
		{expectation{name: "insert bad json", call: post("labels", `{"id":`), status: 400, text: "PGRST102"}, "", ""},
		{expectation{name: "insert a scalar", call: post("labels", `3`), status: 400, text: "PGRST102"}, "", ""},
		{expectation{name: "insert into shared not granted", call: post("countries", `{"code":"xx","name":"x"}`), status: 403,
			text: "42501"}, "", ""},
		{expectation{name: "upsert merge",
			call: post("labels?select=id,name", `[{"id":1,"name":"warm"},{"id":9,"name":"n"}]`, represent,
				"Prefer: resolution=merge-duplicates"), status: 201, body: `[{"id":1,"name":"warm"},{"id":9,"name":"n"}]`},
			"labels?order=id&select=name", `[{"name":"warm"},{"name":"cold"},{"name":"n"}]`},
		{expectation{name: "upsert nothing inserted", call: post("labels", `{"id":1,"name":"warm"}`, represent,
			"Prefer: resolution=merge-duplicates"), status: 200}, "", ""},
		{expectation{name: "upsert ignore",
			call: post("labels?select=id", `[{"id":1,"name":"warm"},{"id":9,"name":"n"}]`, represent,
				"Prefer: resolution=ignore-duplicates"), status: 201, body: `[{"id":9}]`}, "labels?id=eq.1&select=name",
			`[{"name":"hot"}]`},
		{expectation{name: "upsert on_conflict",
			call: post("leads?on_conflict=email&select=id,name,score", `{"email":"ada@example.com","name":"Ada 2"}`, represent,
				"Prefer: resolution=merge-duplicates"), status: 200, body: `[{"id":1,"name":"Ada 2","score":10}]`}, "", ""},
		{expectation{name: "upsert no such key", call: post("leads?on_conflict=name", `{"name":"Ada 2"}`,
			"Prefer: resolution=merge-duplicates"), status: 400, text: "42P10"}, "", ""},
		{expectation{name: "update",
			call: patch("leads?id=eq.1&select=id,name,score", `{"name":"Z","score":null}`, represent),
			body: `[{"id":1,"name":"Z","score":null}]`, header: "Content-Range: 0-0/*"}, "leads?name=eq.Z&select=id",
			`[{"id":1}]`},
		{expectation{name: "update minimal", call: patch("leads?status=eq.won", `{"score":1}`, "Prefer: count=exact"),
			status: 204, header: "Content-Range: 0-1/2"}, "leads?score=eq.1&select=id&order=id", `[{"id":2},{"id":3}]`},
		{expectation{name: "update with embed and order",
			call: patch("leads?campaign_id=eq.1&select=id,campaigns(name)&order=id.desc", `{"score":1}`, represent),
			body: `[{"id":2,"campaigns":{"name":"Spring"}},{"id":1,"campaigns":{"name":"Spring"}}]`}, "", ""},
		{expectation{name: "update none", call: patch("leads?id=eq.99", `{"score":1}`, represent), body: `[]`}, "", ""},
		{expectation{name: "update nothing", call: patch("leads?id=eq.1&select=id", `{}`, represent), body: `[]`}, "", ""},
		{expectation{name: "update unfiltered", call: patch("leads", `{"score":1}`), status: 400, text: "21000"},
			"leads?score=eq.1", `[]`},
		{expectation{name: "update limited", call: patch("leads?id=gt.0&order=id.desc&limit=2&select=id", `{"score":1}`,
			represent), body: `[{"id":4},{"id":3}]`}, "leads?score=eq.1&select=id&order=id", `[{"id":3},{"id":4}]`},
		{expectation{name: "update with the own tenant", call: patch("leads?id=eq.1&select=id,score",
			`{"tenant_id":"`+strings.ToUpper(tenantA)+`","score":8}`, represent), body: `[{"id":1,"score":8}]`}, "", ""},
		{expectation{name: "update with columns and the own tenant", call: patch(
			"leads?id=eq.1&select=id,score&columns=tenant_id,score", `{"tenant_id":"`+tenantA+`","score":9}`, represent),
			body: `[{"id":1,"score":9}]`}, "", ""},
		{expectation{name: "update tenant column to null", call: patch("leads?id=eq.1", `{"tenant_id":null}`),
			status: 400, text: "MOAT101"}, "", ""},
		{expectation{name: "update tenant column refused", call: patch("leads?id=eq.1", `{"tenant_id":"`+tenantB+`"}`),
			status: 400, text: "MOAT101"}, "", ""},
		{expectation{name: "update singular of many", call: patch("leads?status=eq.won", `{"score":1}`, represent, object),
			status: 406, text: "PGRST116"}, "leads?score=eq.1", `[]`},
		{expectation{name: "singular update of many without representation", call: patch("leads?status=eq.won", `{"score":1}`,
			object), status: 406, text: "PGRST116"}, "leads?score=eq.1", `[]`},
		{expectation{name: "singular update of none", call: patch("leads?id=eq.99", `{"score":1}`, object), status: 406,
			text: "PGRST116"}, "", ""},
		{expectation{name: "singular update of nothing", call: patch("leads?id=eq.1", `{}`, object), status: 406,
			text: "PGRST116"}, "", ""},
		{expectation{name: "singular update of one", call: patch("leads?id=eq.1", `{"score":1}`, object), status: 204},
			"leads?score=eq.1&select=id", `[{"id":1}]`},
		{expectation{name: "singular delete of many", call: remove("events?id=gt.0", object), status: 406, text: "PGRST116"},
			"events?select=count()", `[{"count":4}]`},
		{expectation{name: "singular insert of many", call: post("labels",
			`[{"id":7,"name":"x"},{"id":8,"name":"y"}]`, object), status: 406, text: "PGRST116"}, "labels?id=gt.5", `[]`},
		{expectation{name: "singular insert of many, headers-only", call: post("labels",
			`[{"id":7,"name":"x"},{"id":8,"name":"y"}]`, object, "Prefer: return=headers-only"), status: 406,
			text: "PGRST116"}, "labels?id=gt.5", `[]`},
		{expectation{name: "singular insert of none", call: post("labels", `[]`, object), status: 406, text: "PGRST116"}, "",
			""},
		{expectation{name: "update missing default", call: patch(
			"leads?id=eq.2&columns=name,score,tags&select=name,score,tags", `{"name":"Z"}`, represent,
			"Prefer: missing=default"),
			body:   `[{"name":"Z","score":10,"tags":[]}]`,
			header: "Preference-Applied: missing=default, return=representation"}, "", ""},
		{expectation{name: "update only defaults", call: patch("leads?id=eq.2&columns=score&select=score", `{}`, represent,
			"Prefer: missing=default"), body: `[{"score":10}]`}, "", ""},
		{expectation{name: "update missing null", call: patch("leads?id=eq.1&columns=name,score&select=name,score",
			`{"name":"Z"}`, represent), body: `[{"name":"Z","score":null}]`}, "", ""},
		{expectation{name: "update missing default of the tenant column", call: patch("leads?id=eq.1&columns=tenant_id,name",
			`{"name":"Z"}`, "Prefer: missing=default"), status: 400, text: "MOAT101"}, "", ""},
		{expectation{name: "max-affected", call: patch("leads?status=eq.won", `{"score":1}`,
			"Prefer: handling=strict, max-affected=1"), status: 400, text: "PGRST124"}, "leads?score=eq.1", `[]`},
		{expectation{name: "max-affected kept",
			call: patch("leads?status=eq.won", `{"score":1}`, "Prefer: handling=strict, max-affected=2"), status: 204},
			"leads?score=eq.1&select=id&order=id", `[{"id":2},{"id":3}]`},
		{expectation{name: "max-affected lenient",
			call: patch("leads?status=eq.won", `{"score":1}`, "Prefer: max-affected=1"), status: 204}, "", ""},
		{expectation{name: "strict unknown", call: patch("leads?status=eq.won", `{"score":1}`,
			"Prefer: handling=strict, anything=1"), status: 400, text: "PGRST122"}, "", ""},
		{expectation{name: "rollback",
			call: patch("leads?id=eq.1&select=score", `{"score":77}`, represent, "Prefer: tx=rollback"), body: `[{"score":77}]`,
			header: "Preference-Applied: return=representation, tx=rollback"}, "leads?score=eq.77", `[]`},
		{expectation{name: "delete", call: remove("lead_labels?lead_id=eq.1&select=label_id&order=label_id", represent),
			body: `[{"label_id":1},{"label_id":2}]`}, "lead_labels?select=lead_id", `[{"lead_id":2}]`},
		{expectation{name: "delete minimal", call: remove("lead_labels?lead_id=eq.1", "Prefer: count=exact"), status: 204,
			header: "Content-Range: */2"}, "", ""},
		{expectation{name: "delete unfiltered", call: remove("lead_labels"), status: 400, text: "21000"}, "", ""},
		{expectation{name: "delete with logic", call: remove("lead_labels?or=(lead_id.eq.1,lead_id.eq.2)"), status: 204},
			"lead_labels", `[]`},
		{expectation{name: "put inserts", call: put("labels?id=eq.9", `{"id":9,"name":"n"}`), status: 201},
			"labels?id=eq.9&select=name", `[{"name":"n"}]`},
		{expectation{name: "put replaces", call: put("labels?id=eq.1&select=id,name", `{"id":1,"name":"n"}`, represent),
			body: `[{"id":1,"name":"n"}]`}, "", ""},
		{expectation{name: "put other key", call: put("labels?id=eq.9", `{"id":8,"name":"n"}`), status: 400,
			text: "PGRST115"}, "labels?id=eq.8", `[]`},
		{expectation{name: "put not the key", call: put("labels?name=eq.hot", `{"id":8,"name":"n"}`), status: 405,
			text: "PGRST105"}, "", ""},
		{expectation{name: "put limit", call: put("labels?id=eq.8&limit=1", `{"id":8,"name":"n"}`), status: 400,
			text: "PGRST114"}, "", ""},
		{expectation{name: "write to another profile", call: post("items?select=id", `{"id":5,"name":"n"}`, represent,
			"Content-Profile: extra"), status: 201, body: `[{"id":5}]`}, "", ""},
		{expectation{name: "unsupported media", call: post("labels", `x`, "Content-Type: image/png"), status: 400,
			text: "PGRST102"}, "", ""},
		{expectation{name: "unsupported method", call: call{method: "PROPFIND", path: "labels"}, status: 405,
			text: "PGRST117"}, "", ""},
	}
	for i, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if i%6 != 0 {
				pgtest.Full(t)
			}
			server := serve(t, func(c *api.Config) { c.AllowRollback = true })
			s.check(t, server)
			if s.after != "" {
				sameJSON(t, server.do(t, call{path: s.after}).Body, s.rows)
			}
		})
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	got := s.do(t, call{path: "labels?id=eq.1", header: []string{object}})
	tag := got.Header.Get("ETag")
	if got.Status != http.StatusOK || tag == "" {
		t.Fatalf("status %d, ETag %q", got.Status, tag)
	}
	if got := s.do(t, call{path: "labels?id=eq.1",
		header: []string{object, "If-None-Match: " + tag}}); got.Status != http.StatusNotModified {
		t.Errorf("If-None-Match: status %d", got.Status)
	}
	change := call{method: "PATCH", path: "labels?id=eq.1", body: `{"name":"1"}`, header: []string{"If-Match: " + tag}}
	if got := s.do(t, change); got.Status != http.StatusNoContent {
		t.Errorf("If-Match: status %d: %s", got.Status, got.Body)
	}
	if got := s.do(t, change); got.Status != http.StatusPreconditionFailed {
		t.Errorf("If-Match of a changed row: status %d", got.Status)
	}
	if got := s.do(t, call{method: "DELETE", path: "labels?id=eq.1",
		header: []string{"If-Match: " + tag}}); got.Status != http.StatusPreconditionFailed {
		t.Errorf("DELETE of a changed row: status %d", got.Status)
	}
}

func TestKeyset(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, order := range []string{"id", "id.desc", "score.desc.nullslast", "score", "status,id.desc", "score.desc,name",
		"created_at.desc"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			var pages []any
			after := ""
			for range 10 {
				got := s.do(t, call{path: "leads?select=id&limit=1&order=" + order + "&after=" + after})
				if got.Status != http.StatusOK {
					t.Fatalf("status %d: %s", got.Status, got.Body)
				}
				pages = append(pages, decode(t, got.Body).([]any)...)
				if after = got.Header.Get("Moat-Next-Cursor"); after == "" {
					break
				}
			}
			if len(pages) != 4 {
				t.Fatalf("pages give %v", pages)
			}
			whole := s.do(t, call{path: "leads?select=id&order=" + order + ",id"})
			if order == "score.desc,name" || order == "created_at.desc" || order == "score.desc.nullslast" {
				whole = s.do(t, call{path: "leads?select=id&order=" + order + ",id.desc"})
			}
			list := decode(t, whole.Body).([]any)
			for i := range list {
				if list[i].(map[string]any)["id"] != pages[i].(map[string]any)["id"] {
					t.Errorf("page %d is %v, want %v", i, pages[i], list[i])
				}
			}
		})
	}
	checkAll(t, s, []expectation{
		{name: "cursor of another order", call: call{path: "leads?order=id&after=eyJvIjoibmFtZSIsInYiOlsiYSJdfQ"},
			status: 400, text: "MOAT121"},
		{name: "garbage", call: call{path: "leads?order=id&after=%00"}, status: 400, text: "MOAT121"},
		{name: "no key", call: call{path: "lead_notes?order=note&after="}},
	})
}
