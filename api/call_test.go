package api_test

import (
	"testing"

	"github.com/moat-db/moat/api"
)

func TestFunctions(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *api.Config) { c.AllowRollback = true })
	rpc := func(name, body string, header ...string) call {
		return call{method: "POST", path: "rpc/" + name, body: body, header: header}
	}
	checkAll(t, s, []expectation{
		{name: "post", call: rpc("add", `{"a":1,"b":2}`), body: `3`},
		{name: "default argument", call: rpc("add", `{"a":1}`), body: `2`},
		{name: "get", call: call{path: "rpc/add?a=1&b=5"}, body: `6`},
		{name: "head", call: call{method: "HEAD", path: "rpc/add?a=1"}},
		{name: "variadic get", call: call{path: "rpc/join_all?parts=x&parts=y"}, body: `"x-y"`},
		{name: "variadic post", call: rpc("join_all", `{"parts":["x","y"]}`), body: `"x-y"`},
		{name: "set of scalars", call: rpc("numbers", `{"upto":3}`), body: `[1,2,3]`},
		{name: "set of scalars paged", call: call{path: "rpc/numbers?upto=5&limit=2&offset=1",
			header: []string{"Prefer: count=exact"}}, status: 206, body: `[2,3]`},
		{name: "set of rows", call: rpc("leads_with?select=id,campaigns(name)&order=id", `{"s":"won"}`),
			body: `[{"id":2,"campaigns":{"name":"Spring"}},{"id":3,"campaigns":{"name":"Autumn"}}]`},
		{name: "rows filtered", call: call{path: "rpc/leads_with?s=won&select=id&id=gt.2"}, body: `[{"id":3}]`},
		{name: "rows limited and counted", call: call{path: "rpc/leads_with?s=won&select=id&order=id&limit=1",
			header: []string{"Prefer: count=exact"}}, status: 206, body: `[{"id":2}]`, header: "Content-Range: 0-0/2"},
		{name: "rows singular", call: rpc("leads_with?select=id&id=eq.2", `{"s":"won"}`, object), body: `{"id":2}`},
		{name: "rows csv", call: call{path: "rpc/leads_with?s=won&select=id&order=id", header: []string{"Accept: text/csv"}},
			text: "id\n2\n3"},
		{name: "table result", call: call{path: "rpc/totals?select=status,n&n=gt.1"}, body: `[{"status":"won","n":2}]`},
		{name: "one row", call: rpc("first_lead?select=id,name", `{}`), body: `{"id":1,"name":"Ada"}`},
		{name: "out parameters", call: rpc("two", `{}`), body: `{"a":1,"b":"x"}`},
		{name: "unnamed json", call: rpc("echo", `{"any":["thing"]}`), body: `{"any":["thing"]}`},
		{name: "unnamed json array", call: rpc("echo", `[1,2]`), body: `[1,2]`},
		{name: "json result and settings", call: rpc("whoami", ``),
			body: `{"tenant":"` + tenantA + `","sub":"ann","role":"viewer"}`},
		{name: "void", call: rpc("rename_lead", `{"lead":99,"new_name":"x"}`), status: 204},
		{name: "volatile get", call: call{path: "rpc/rename_lead?lead=99&new_name=x"}, status: 405, text: "25006"},
		{name: "text result", call: call{path: "rpc/join_all?parts=x", header: []string{"Accept: text/plain"}}, text: "x"},
		{name: "bytes result", call: call{path: "rpc/give_bytes", header: []string{"Accept: application/octet-stream"}},
			text: "\x01\x02\x03"},
		{name: "not found", call: rpc("ad", `{}`), status: 404, text: "PGRST202"},
		{name: "wrong argument", call: rpc("add", `{"c":1}`), status: 404, text: "PGRST202"},
		{name: "not granted", call: rpc("hidden_function", `{}`), status: 404, text: "PGRST202"},
		{name: "overload by names", call: rpc("overload", `{"a":1,"b":2}`), body: `"two"`},
		{name: "overload ambiguous", call: rpc("overload", `{"a":1}`), status: 300, text: "PGRST203"},
		{name: "raise", call: rpc("fails", `{"code":"P0001"}`), status: 400,
			text: `{"code":"P0001","details":"why","hint":"try","message":"custom"}`},
		{name: "raise a status", call: rpc("fails", `{"code":"PT402"}`), status: 402, text: `"code":"PT402"`},
		{name: "raise internal says nothing", call: rpc("fails", `{"code":"XX000"}`), status: 500,
			body: `{"code":"XX000","details":null,"hint":null,"message":"internal error"}`},
		{name: "response settings", call: rpc("teapot", `{}`), status: 418, body: `"short"`, header: "X-Tea: green"},
		{name: "bad argument type", call: rpc("add", `{"a":"x"}`), status: 400, text: "22P02"},
		{name: "method", call: call{method: "DELETE", path: "rpc/add"}, status: 405, text: "PGRST101"},
		{name: "computed function is not callable", call: rpc("shout", `{}`), status: 404},
	})
	if got := s.do(t, rpc("rename_lead", `{"lead":4,"new_name":"Changed"}`, "Prefer: tx=rollback")); got.Status != 204 {
		t.Errorf("status %d", got.Status)
	}
	sameJSON(t, s.do(t, call{path: "leads?id=eq.4&select=name"}).Body, `[{"name":"Dora"}]`)
}
