package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// expectation is a call with what it must answer.
type expectation struct {
	name   string
	call   call
	status int    // default 200
	body   string // JSON compared by value; "" is not looked at
	text   string // a part of the body
	header string // "Name: value" that must be there
}

func (e expectation) check(t *testing.T, s *server) {
	t.Helper()
	got := s.do(t, e.call)
	if e.status == 0 {
		e.status = http.StatusOK
	}
	if got.Status != e.status {
		t.Errorf("status %d, want %d: %s", got.Status, e.status, got.Body)
	}
	if e.body != "" {
		sameJSON(t, got.Body, e.body)
	}
	if !strings.Contains(got.Body, e.text) {
		t.Errorf("body %s\nlacks %s", got.Body, e.text)
	}
	if name, value, found := strings.Cut(e.header, ": "); found && got.Header.Get(name) != value {
		t.Errorf("%s: %q, want %q", name, got.Header.Get(name), value)
	}
}

func checkAll(t *testing.T, s *server, tests []expectation) {
	for _, e := range tests {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.check(t, s)
		})
	}
}

// ids expects rows with these ids in order.
func ids(name, path, want string) expectation {
	rows := []string{}
	for id := range strings.FieldsSeq(want) {
		rows = append(rows, `{"id":`+id+`}`)
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return expectation{name: name, call: call{path: path + separator + "select=id&order=id"},
		body: "[" + strings.Join(rows, ",") + "]"}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	checkAll(t, s, []expectation{
		ids("all", "leads", "1 2 3 4"),
		ids("eq", "leads?id=eq.2", "2"),
		ids("neq", "leads?id=neq.2", "1 3 4"),
		ids("gt", "leads?score=gt.10", "2 4"),
		ids("gte", "leads?score=gte.20", "2 4"),
		ids("lt", "leads?score=lt.20", "1"),
		ids("lte", "leads?score=lte.20", "1 2"),
		ids("like", "leads?name=like.*e*", "2 3"),
		ids("like percent", "leads?name=like.%25e%25", "2 3"),
		ids("ilike", "leads?name=ilike.*A", "1 4"),
		ids("match", "leads?name=match.^[AB]", "1 2"),
		ids("imatch", "leads?name=imatch.^a", "1"),
		ids("in", "leads?id=in.(1,3)", "1 3"),
		ids("in quoted", `leads?name=in.("Ada","Bert \"the\" \\ Boss")`, "1 2"),
		ids("in empty", "leads?id=in.()", ""),
		ids("not in", "leads?id=not.in.(1,3)", "2 4"),
		ids("is null", "leads?score=is.null", "3"),
		ids("is not null", "leads?score=not.is.null", "1 2 4"),
		ids("is not_null", "leads?score=is.not_null", "1 2 4"),
		ids("is true", "campaigns?active=is.true", "1 3"),
		ids("is false", "campaigns?active=is.false", "2"),
		ids("is unknown", "campaigns?active=is.unknown", ""),
		ids("isdistinct", "leads?score=isdistinct.10", "2 3 4"),
		ids("fts", "leads?search=fts.cat", "1"),
		ids("fts language", "leads?search=fts(english).cats", "1"),
		ids("plfts", "leads?search=plfts(english).fat%20cats", "1"),
		ids("phfts", "leads?search=phfts(english).fat%20cats", "1"),
		ids("wfts", "leads?search=wfts(english).fat%20-dog", "1"),
		ids("fts on text", "leads?name=fts(simple).ada", "1"),
		ids("cs", "leads?tags=cs.{b}", "1 2"),
		ids("cd", "leads?tags=cd.{a,b,c}", "1 2 3 4"),
		ids("ov", "leads?tags=ov.{a,c}", "1 2 4"),
		ids("cs json", `leads?details=cs.{"vip":true}`, "1"),
		ids("sl", "leads?ages=sl.[12,30)", "1"),
		ids("sr", "leads?ages=sr.[0,2)", "2"),
		ids("nxr", "leads?ages=nxr.[0,10)", "1"),
		ids("nxl", "leads?ages=nxl.[3,10)", "2"),
		ids("adj", "leads?ages=adj.[10,12)", "1"),
		ids("cs range", "leads?ages=cs.[6,7)", "1 2"),
		ids("ov range", "leads?active_during=ov.[2024-01-10,2024-03-01)", "1"),
		ids("enum", "leads?status=eq.won", "2 3"),
		ids("not", "leads?status=not.eq.won", "1 4"),
		ids("eq any", "leads?status=eq(any).{won,lost}", "2 3 4"),
		ids("like any", "leads?name=like(any).{A*,C*}", "1 3"),
		ids("ilike all", "leads?name=ilike(all).{*a*,*d*}", "1 4"),
		ids("gt all", "leads?score=gt(all).{5,15}", "2 4"),
		ids("or", "leads?or=(id.eq.1,score.is.null)", "1 3"),
		ids("and", "leads?and=(id.gt.1,id.lt.4)", "2 3"),
		ids("not or", "leads?not.or=(id.eq.1,id.eq.2)", "3 4"),
		ids("nested", "leads?or=(id.eq.4,and(status.eq.won,not.or(id.eq.2,id.eq.9)))", "3 4"),
		ids("or with list", `leads?or=(id.in.(1,2),name.eq."Dora")`, "1 2 4"),
		ids("or with array", "leads?or=(tags.cs.{a,b},id.eq.4)", "1 4"),
		ids("or not", "leads?or=(id.not.gt.1,name.not.like.*e*)", "1 4"),
		ids("two on one column", "leads?id=gt.1&id=lt.4", "2 3"),
		ids("json text", "leads?details->>city=eq.Paris", "2"),
		ids("json value", "leads?details->vip=eq.true", "1"),
		ids("json deep", "leads?details->phones->1->>n=eq.2", "1"),
		ids("json null", "leads?details->>city=is.null", "3 4"),
		ids("composite", "leads?home->>city=eq.Berlin", "1"),
		ids("array element", "leads?tags->>0=eq.b", "2"),
		ids("timestamp", "leads?created_at=gte.2024-01-03T00:00:00Z", "3 4"),
		ids("computed column", "leads?shout=eq.ADA", "1"),
		ids("quoted name", `leads?"name"=eq.Ada`, "1"),
		ids("view", "won_leads", "2 3"),
	})
}

func TestSelect(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	one := func(name, list, want string) expectation {
		return expectation{name: name, call: call{path: "leads?id=eq.1&select=" + list}, body: "[" + want + "]"}
	}
	checkAll(t, s, []expectation{
		one("columns", "id,name", `{"id":1,"name":"Ada"}`),
		one("alias", "n:name", `{"n":"Ada"}`),
		one("cast", "id::text,amount::int", `{"id":"1","amount":100}`),
		one("alias and cast", "x:score::numeric(5,1)", `{"x":10.0}`),
		one("json path", "details->city,details->>vip", `{"city":"Berlin","vip":"true"}`),
		one("json path index", "details->phones->0->>n", `{"n":"1"}`),
		one("json path ends in index", "details->phones->0", `{"phones":{"n":"1"}}`),
		one("json path alias cast", "v:details->>vip::bool", `{"v":true}`),
		one("composite", "home,home->>city", `{"home":{"street":"Main 1","city":"Berlin"},"city":"Berlin"}`),
		one("array", "tags,t:tags->0", `{"tags":["a","b"],"t":"a"}`),
		one("types", "amount,rate,created_at,ages,avatar,email,status",
			`{"amount":100.10,"rate":0.5,"created_at":"2024-01-01T10:00:00+00:00","ages":"[1,10)","avatar":null,`+
				`"email":"ada@example.com","status":"new"}`),
		one("computed", "shout,s:shout", `{"shout":"ADA","s":"ADA"}`),
		one("blanks", "id, name", `{"id":1,"name":"Ada"}`),
		{name: "escapes", call: call{path: "leads?id=eq.2&select=name,rate"},
			body: `[{"name":"Bert \"the\" \\ Boss","rate":"NaN"}]`},
		{name: "every column agrees with row_to_json", call: call{path: "leads?id=eq.1"},
			text: `"created_at":"2024-01-01T10:00:00+00:00"`},
		{name: "unknown column", call: call{path: "leads?select=nme"}, status: 400, text: `"code":"42703"`},
		{name: "unknown cast", call: call{path: "leads?select=id::regclass"}, status: 400, text: `"code":"42704"`},
		{name: "order desc", call: call{path: "leads?select=id&order=score.desc.nullslast"},
			body: `[{"id":4},{"id":2},{"id":1},{"id":3}]`},
		{name: "order nulls first", call: call{path: "leads?select=id&order=score.asc.nullsfirst,id"},
			body: `[{"id":3},{"id":1},{"id":2},{"id":4}]`},
		{name: "order by json", call: call{path: "leads?select=id&order=details->>city.desc.nullslast,id"},
			body: `[{"id":2},{"id":1},{"id":3},{"id":4}]`},
		{name: "order related", call: call{
			path: "leads?select=id,campaigns(name)&order=campaigns(name).desc,id&campaign_id=not.is.null"},
			body: `[{"id":1,"campaigns":{"name":"Spring"}},{"id":2,"campaigns":{"name":"Spring"}},{"id":3,` +
				`"campaigns":{"name":"Autumn"}}]`},
		{name: "limit", call: call{path: "leads?select=id&order=id&limit=2"}, body: `[{"id":1},{"id":2}]`,
			header: "Content-Range: 0-1/*"},
		{name: "offset", call: call{path: "leads?select=id&order=id&offset=3"}, body: `[{"id":4}]`,
			header: "Content-Range: 3-3/*"},
		{name: "limit 0", call: call{path: "leads?limit=0"}, body: `[]`, header: "Content-Range: */*"},
		{name: "range header", call: call{path: "leads?select=id&order=id", header: []string{"Range: 1-2"}},
			body: `[{"id":2},{"id":3}]`, header: "Content-Range: 1-2/*"},
		{name: "range open", call: call{path: "leads?select=id&order=id", header: []string{"Range: 2-"}},
			body: `[{"id":3},{"id":4}]`},
		{name: "aggregates", call: call{path: "leads?select=count(),score.sum(),m:amount.max()::int"},
			body: `[{"count":4,"sum":70,"m":200}]`},
		{name: "aggregates grouped", call: call{path: "leads?select=status,n:count(),score.avg()::int&order=status"},
			body: `[{"status":"new","n":1,"avg":10},{"status":"won","n":2,"avg":20},{"status":"lost","n":1,"avg":40}]`},
		{name: "csv", call: call{path: "leads?select=id,name,tags&order=id&limit=2", header: []string{"Accept: text/csv"}},
			text: "id,name,tags\n1,Ada,\"{a,b}\"\n2,\"Bert \"\"the\"\" \\ Boss\",\"{b,c}\""},
		{name: "stripped", call: call{path: "leads?select=id,score,details&id=in.(3,4)&order=id",
			header: []string{"Accept: application/vnd.pgrst.array+json;nulls=stripped"}},
			body: `[{"id":3,"details":{}},{"id":4,"score":40,"details":{}}]`},
		{name: "singular", call: call{path: "leads?select=id&id=eq.1",
			header: []string{"Accept: application/vnd.pgrst.object+json"}}, body: `{"id":1}`},
		{name: "singular none", call: call{path: "leads?select=id&id=eq.99",
			header: []string{"Accept: application/vnd.pgrst.object+json"}}, status: 406,
			body: `{"code":"PGRST116","details":"The result contains 0 rows","hint":null,` +
				`"message":"Cannot coerce the result to a single JSON object"}`},
		{name: "not acceptable", call: call{path: "leads", header: []string{"Accept: image/png"}}, status: 406,
			text: "PGRST107"},
		{name: "unknown table", call: call{path: "leds"}, status: 404, text: "Perhaps you meant the table 'app.leads'"},
		{name: "profile", call: call{path: "items?select=name", header: []string{"Accept-Profile: extra"}},
			body: `[{"name":"extra"}]`},
		{name: "unknown profile", call: call{path: "items", header: []string{"Accept-Profile: private"}}, status: 406,
			text: "PGRST106"},
	})
}

func TestCounts(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	count := func(kind string) []string { return []string{"Prefer: count=" + kind} }
	checkAll(t, s, []expectation{
		{name: "exact page", call: call{path: "leads?limit=2", header: count("exact")}, status: 206,
			header: "Content-Range: 0-1/4"},
		{name: "exact all", call: call{path: "leads", header: count("exact")}, header: "Content-Range: 0-3/4"},
		{name: "exact filtered", call: call{
			path: "leads?status=eq.won&campaigns.name=eq.Spring&select=id,campaigns!inner(name)", header: count("exact")},
			header: "Content-Range: 0-0/1"},
		{name: "beyond", call: call{path: "leads?offset=10", header: count("exact")}, status: 416,
			text: "An offset of 10 was requested, but there are only 4 rows."},
		{name: "head", call: call{method: "HEAD", path: "leads?limit=1", header: count("exact")}, status: 206,
			header: "Content-Range: 0-0/4"},
		{name: "applied", call: call{path: "leads", header: count("exact")}, header: "Preference-Applied: count=exact"},
		{name: "planned", call: call{path: "leads", header: count("planned")}},
		{name: "estimated", call: call{path: "leads", header: count("estimated")}, header: "Content-Range: 0-3/4"},
	})
}

func TestEmbeds(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	get := func(name, path, want string) expectation {
		return expectation{name: name, call: call{path: path}, body: want}
	}
	checkAll(t, s, []expectation{
		get("to-one", "leads?id=eq.1&select=id,campaigns(name)", `[{"id":1,"campaigns":{"name":"Spring"}}]`),
		get("to-one null", "leads?id=eq.4&select=id,campaigns(name)", `[{"id":4,"campaigns":null}]`),
		get("to-many", "campaigns?id=in.(1,3)&order=id&select=id,leads(id)&leads.order=id",
			`[{"id":1,"leads":[{"id":1},{"id":2}]},{"id":3,"leads":[]}]`),
		get("one-to-one", "leads?id=eq.1&select=id,lead_notes(note)", `[{"id":1,"lead_notes":{"note":"likes tea"}}]`),
		get("many-to-many", "leads?id=in.(1,2)&order=id&select=id,labels(name)&labels.order=name",
			`[{"id":1,"labels":[{"name":"cold"},{"name":"hot"}]},{"id":2,"labels":[{"name":"cold"}]}]`),
		get("nested", "campaigns?id=eq.1&select=leads(id,events(kind))&leads.order=id&leads.events.order=id.desc&"+
			"leads.events.limit=1", `[{"leads":[{"id":1,"events":[{"kind":"call"}]},{"id":2,"events":[{"kind":"call"}]}]}]`),
		get("alias", "leads?id=eq.1&select=id,c:campaigns(n:name)", `[{"id":1,"c":{"n":"Spring"}}]`),
		get("filter inside", "leads?id=in.(1,2)&order=id&select=id,events(id)&events.kind=eq.mail",
			`[{"id":1,"events":[{"id":2}]},{"id":2,"events":[]}]`),
		get("inner", "leads?order=id&select=id,events!inner(id)&events.kind=eq.mail", `[{"id":1,"events":[{"id":2}]}]`),
		get("inner empty list", "leads?order=id&select=id,events!inner()&events.kind=eq.mail", `[{"id":1}]`),
		get("or inside", "leads?id=eq.1&select=events(id)&events.or=(id.eq.1,id.eq.3)&events.order=id",
			`[{"events":[{"id":1},{"id":3}]}]`),
		get("null filter", "leads?order=id&select=id,events()&events=is.null", `[{"id":3},{"id":4}]`),
		get("not null filter", "leads?order=id&select=id,events()&events=not.is.null", `[{"id":1},{"id":2}]`),
		get("or across embeds", "leads?order=id&select=id,lead_notes(),campaigns()&or=(lead_notes.not.is.null,"+
			"campaigns.is.null)", `[{"id":1},{"id":4}]`),
		get("hint by constraint", "transfers?select=id,a:leads!transfers_from(name),b:leads!transfers_to(id)",
			`[{"id":1,"a":{"name":"Ada"},"b":{"id":2}}]`),
		get("hint by column", "transfers?select=a:leads!from_lead(id)", `[{"a":{"id":1}}]`),
		get("target is a constraint", "transfers?select=transfers_to(id)", `[{"transfers_to":{"id":2}}]`),
		get("target is a column", "transfers?select=to_lead(id)", `[{"to_lead":{"id":2}}]`),
		get("self to-one", "leads?id=eq.2&select=id,by:referrer_id(name)", `[{"id":2,"by":{"name":"Ada"}}]`),
		get("self hint", "leads?id=eq.1&select=id,referred:leads!referrer_id(id)&referred.order=id",
			`[{"id":1,"referred":[{"id":2},{"id":3}]}]`),
		get("spread", "leads?id=eq.1&select=id,...campaigns(campaign:name,budget)",
			`[{"id":1,"campaign":"Spring","budget":1000.50}]`),
		get("spread null", "leads?id=eq.4&select=id,...campaigns(campaign:name)", `[{"id":4,"campaign":null}]`),
		get("spread many", "leads?id=eq.1&select=id,...events(kinds:kind)&events.order=id",
			`[{"id":1,"kinds":["call","mail","call"]}]`),
		get("spread nested", "events?id=eq.1&select=id,...leads(lead:name,...campaigns(campaign:name))",
			`[{"id":1,"lead":"Ada","campaign":"Spring"}]`),
		get("aggregate inside", "leads?id=eq.1&select=id,events(count(),amount.sum())",
			`[{"id":1,"events":[{"count":3,"sum":6}]}]`),
		get("bare count", "leads?id=eq.1&select=events(count)", `[{"events":[{"count":3}]}]`),
		get("aggregate beside embed",
			"leads?campaign_id=not.is.null&select=score.sum(),campaigns(name)&order=campaigns(name)",
			`[{"sum":null,"campaigns":{"name":"Autumn"}},{"sum":30,"campaigns":{"name":"Spring"}}]`),
		get("aggregate with spread", "leads?campaign_id=eq.1&select=score.sum(),...campaigns(campaign:name)",
			`[{"sum":30,"campaign":"Spring"}]`),
		get("aggregate in spread", "leads?id=in.(1,2)&select=...campaigns(budget.max())", `[{"max":1000.50}]`),
		get("shared table", "leads?id=eq.1&select=id,countries(name)", `[{"id":1,"countries":{"name":"Germany"}}]`),
		get("tenants", "leads?id=eq.1&select=id,tenants(name)", `[{"id":1,"tenants":{"name":"Acme"}}]`),
		get("from shared to own rows only", "countries?code=eq.it&select=code,leads(id)", `[{"code":"it","leads":[]}]`),
		get("computed relationship", "leads?id=eq.1&select=recent_events(id)", `[{"recent_events":[{"id":3},{"id":2}]}]`),
		get("view", "won_leads?order=id&select=id,campaigns(name)",
			`[{"id":2,"campaigns":{"name":"Spring"}},{"id":3,"campaigns":{"name":"Autumn"}}]`),
		get("star inside", "lead_labels?lead_id=eq.2&select=labels(*)",
			`[{"labels":{"tenant_id":"`+tenantA+`","id":2,"name":"cold"}}]`),
		{name: "no relationship", call: call{path: "leads?select=id,lables(name)"}, status: 400, text: "PGRST200"},
		{name: "ambiguous", call: call{path: "transfers?select=leads(id)"}, status: 300, text: "PGRST201"},
		{name: "not embedded", call: call{path: "leads?events.id=eq.1"}, status: 400, text: "PGRST108"},
		{name: "related order to-many", call: call{path: "leads?select=id,events(id)&order=events(id)"}, status: 400,
			text: "PGRST118"},
		{name: "not exposed", call: call{path: "unprotected"}, status: 404, text: "PGRST205"},
		{name: "owner's view", call: call{path: "all_leads"}, status: 404, text: "PGRST205"},
		{name: "materialized view", call: call{path: "lead_stats"}, status: 404, text: "PGRST205"},
	})
}
