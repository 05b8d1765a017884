package portal

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/portal/internal/frame"
)

var href = regexp.MustCompile(`(?:href|action|hx-get|hx-post)="(/portal/[^"#]*)`)

// links are the addresses a page leads to.
func links(body string) []string {
	var out []string
	for _, m := range href.FindAllStringSubmatch(body, -1) {
		out = append(out, strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	return out
}

// crawl opens every page that can be reached, some hundred of them at most.
func (v *visitor) crawl(start string, page func(path string, a answer)) int {
	v.w.t.Helper()
	seen := map[string]bool{}
	todo := []string{start}
	most := pgtest.Rounds(v.w.t, "MOAT_TEST_PAGES", 300, 100)
	for len(todo) > 0 && len(seen) < most {
		path := todo[0]
		todo = todo[1:]
		if seen[path] || strings.Contains(path, "/assets/") || strings.Contains(path, "sign-") {
			continue
		}
		seen[path] = true
		a := v.get(path)
		page(path, a)
		todo = append(todo, links(a.body)...)
	}
	return len(seen)
}

// As A, through every page that leads anywhere and every route with B's ids in it,
// nothing of B's is found and nothing of B's changes.
func TestWalkAsTheOtherFindsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.signedIn("1")
	look := func(path string, got answer) {
		t.Helper()
		if strings.Contains(got.body, "MARK-B") {
			t.Errorf("%s shows a row of B's", path)
		}
		if strings.Contains(got.body, "LOOSE") {
			t.Errorf("%s shows a table that nothing isolates", path)
		}
		if got.status >= 500 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	own := 0
	n := a.crawl("/dashboard", func(path string, got answer) {
		look(path, got)
		own += strings.Count(got.body, "MARK-A")
	})
	t.Logf("%d pages, A's own rows named %d times", n, own)
	if n < 50 || own < 100 {
		t.Fatalf("only %d pages with %d own rows: the walk proves nothing", n, own)
	}

	const state = `select md5(string_agg(t::text, '|' order by t::text)) from (
		select o::text as t from shop."Order" o where account_id = 2
		union all select l::text from shop.lines l where account_id = 2) x`
	before := w.query(state)
	order := w.query(`select min(id)::text from shop."Order" where account_id = 2`)
	keys := []string{order, order + ",1", "1", "2", "1,2", order + `%2C1`, "' or true --", "%5C", "..%2f.."}
	tables := []string{"Order", "lines", "visits", "currencies", "accounts", "loose", "open_notes", "operator_log",
		"shop.Order", "tenant_seen", "pg_class"}
	if testing.Short() {
		keys, tables = keys[:4], tables[:6]
	}
	hostile := url.Values{"value": {"void"}, "title": {"stolen"}, "account_id": {"2"}, "select": {"x"},
		"stage": {"void"}, "quantity": {"1"}, "version": {"1"}, "article": {"stolen"},
		"act": {"delete"}, "key": {order}, "confirmed": {"1"}, "column": {"title"}, "query": {"f.id=" + order},
		"number": {"77"}, "order_id": {order}, "sql": {`select * from shop."Order"`}, "reason": {"none of yours"},
		"state": {"suspended"}, "token": {"x"}}
	tried, asked := 0, map[string]bool{}
	for _, pattern := range w.portal.mux.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.Contains(path, "{table}") && path != frame.Base+"/search" {
			continue // TestNoRouteCrosses
		}
		for _, table := range tables {
			for _, key := range keys {
				at := strings.NewReplacer("{table}", table, "{key}", url.PathEscape(key), "{column}", "title").Replace(path)
				for _, query := range []string{"", "?f.account_id=2&q=MARK-B", "?f.order_id=" + order + "&f.id=" + order +
					"&cols=account_id&sort=account_id", "?table=" + table} {
					if asked[method+at+query] {
						continue
					}
					tried, asked[method+at+query] = tried+1, true
					got := a.do(method, at+query, hostile)
					if strings.Contains(query, "q=MARK-B") { // the page may repeat what was searched for
						got.body = strings.ReplaceAll(got.body, `value="MARK-B"`, "")
						got.body = strings.ReplaceAll(got.body, "“MARK-B”", "")
						got.body = strings.ReplaceAll(got.body, "q=MARK-B", "")
					}
					look(method+" "+at+query, got)
				}
			}
		}
	}
	t.Logf("%d requests with B's ids", tried)
	if after := w.query(state); after != before {
		t.Error("rows of B's have changed")
	}
	if w.query(`select count(*)::text from shop."Order" where account_id = 1 and title = 'stolen'`) == "0" {
		t.Error("the walk's own writes never worked: it proves nothing")
	}
}

// Without the tenant's predicate and with the policies gone the walk must fail: shown
// by looking at the one page with the policies taken off.
func TestWalkWouldSeeAHole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	a := w.signedIn("1")
	w.db.Exec(t, `DROP POLICY tenant_isolation ON shop.accounts; DROP POLICY tenant_isolation ON shop."Order"`)
	if got := a.get("/t/Order?q=MARK"); strings.Contains(got.body, "MARK-B") {
		t.Error("the list relies on the policy alone: its statement does not name the tenant")
	}
	// The break-in page has no predicate of its own: there the hole shows, and is called one.
	got := a.do("POST", "/break-in", url.Values{
		"sql": {`select title from shop."Order" where title like 'MARK-B%' limit 3`}})
	if !strings.Contains(got.body, "The moat leaks") || !strings.Contains(got.body, "Other") {
		t.Errorf("a hole in the policies goes unseen: %s", between(got.body, `id="verdict"`, "</section>"))
	}
}

func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	inside, _, _ := strings.Cut(rest, to)
	return inside
}

var (
	quoted      = regexp.MustCompile(`"[^"]*"`)
	inlineCode  = regexp.MustCompile(`(?i)<script(?:\s[^>]*)?>[^<]|<style|\sstyle=|<[a-z][^>]*\son[a-z]+\s*=`)
	thirdParty  = regexp.MustCompile(`(?:src|href|action|hx-get|hx-post)="(?:https?:)?//`)
	scriptLink  = regexp.MustCompile(`(?i)(?:src|href|action)="\s*(?:javascript|data|vbscript):`)
	hostileText = regexp.MustCompile(`<script>alert|<img src=x|<svg onload|Euro <b>`)
)

// Every page of the client and of the operator has the headers, no inline code, and
// asks no other origin; hostile rows stay text.
func TestPagesCarryNoCode(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWalkAsTheOtherFindsNothing
	w := newWorld(t, nil)
	check := func(path string, a answer) {
		t.Helper()
		if a.header.Get("Content-Security-Policy") != frame.ContentPolicy ||
			a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s lacks headers: %v", path, a.header)
		}
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			return
		}
		for name, found := range map[string]string{"inline code": inlineCode.FindString(quoted.ReplaceAllString(a.body,
			`""`)), "a script as an address": scriptLink.FindString(a.body), "another origin": thirdParty.FindString(a.body),
			"markup of a row":           hostileText.FindString(a.body),
			"what the template refused": regexp.MustCompile("ZgotmplZ").FindString(a.body)} {
			if found != "" {
				t.Errorf("%s has %s: %q", path, name, found)
			}
		}
	}
	shown := 0
	w.signedIn("1").crawl("/dashboard", func(path string, a answer) {
		check(path, a)
		shown += strings.Count(a.body, "&lt;script&gt;alert")
	})
	if shown < 20 {
		t.Errorf("hostile rows are shown %d times: the test proves nothing", shown)
	}
	w.desk().crawl("/operator/", check)
	anyone := w.visitor()
	for _, path := range []string{"/sign-in", "/operator/sign-in", "/nothing", "/dashboard",
		"/sign-in?problem=<script>alert(1)</script>"} {
		check(path, anyone.get(path))
	}
	check("a refused token", anyone.do("POST", "/sign-in", url.Values{"token": {"<script>alert(1)</script>"}}))
}
