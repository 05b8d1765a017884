package portal

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/portal/demo"
	"github.com/moat-db/moat/portal/internal/people"
)

// guest is somebody who walks through every route with others' ids.
type guest struct {
	*visitor
	name string
	sees []string       // tenants whose rows it may see
	owns []string       // tenants whose rows it may change
	in   func() bool    // whether it is signed in where it should be; nil: nobody
	only *regexp.Regexp // patterns that are not for it
}

// everything is a tree of tenants with all that a portal can have: people, keys, kept sessions,
// a console and the demonstration's page. Subject 1 owns A and A1, 2 is a viewer of A1, 3 owns
// A2 and 5 F.
func everything(t *testing.T) (w *world, now *atomic.Int64) {
	t.Helper()
	now = &atomic.Int64{}
	now.Store(time.Now().Unix())
	w = newTree(t, func(c *Config) {
		c.Sessions, c.Keys, c.SessionKey = c.Operator.Pool, c.Operator.Pool, []byte("the key of this walk's sessions")
		c.People = &People{}
		c.Now = func() time.Time { return time.Unix(now.Load(), 0) }
		c.Extend = demo.Config{BreakIn: c.DB}.Extend
	})
	role := w.config.Operator.Pool.Config().ConnConfig.User
	w.db.Exec(t, apikey.Install(role)+`;
		UPDATE app.memberships SET role = CASE user_id WHEN 2 THEN 'viewer' ELSE 'owner' END;
		DO $$ DECLARE t text;
		BEGIN
			FOREACH t IN ARRAY ARRAY['leads', 'notes', 'labels', 'templates', 'orders', 'board', 'board_share'] LOOP
				EXECUTE format('CREATE POLICY viewers_add ON app.%I AS RESTRICTIVE FOR INSERT
					WITH CHECK (current_setting(''app.role'', true) IS DISTINCT FROM ''viewer'')', t);
				EXECUTE format('CREATE POLICY viewers_change ON app.%I AS RESTRICTIVE FOR UPDATE
					USING (current_setting(''app.role'', true) IS DISTINCT FROM ''viewer'')', t);
				EXECUTE format('CREATE POLICY viewers_remove ON app.%I AS RESTRICTIVE FOR DELETE
					USING (current_setting(''app.role'', true) IS DISTINCT FROM ''viewer'')', t);
			END LOOP;
		END $$`)
	return w, now
}

// enters signs in a subject in a tenant, with a role.
func (w *world) enters(tenant, subject, role string) *visitor {
	w.t.Helper()
	v := w.visitor()
	token, err := w.client.Sign(auth.Identity{Tenant: treeTenant(tenant), Subject: subject, Role: role,
		Claims: []byte(`{"email": "` + subject + `@x.example", "email_verified": true}`)}, 3*time.Hour)
	must(w.t, err)
	if a := v.do("POST", "/sign-in", url.Values{"token": {token}}); a.status != http.StatusSeeOther {
		w.t.Fatalf("sign-in as %s of %s: %d\n%s", subject, tenant, a.status, a.body)
	}
	return v
}

// copyOf has the cookies of another, under names that rename changes.
func (v *visitor) copyOf(rename func(string) string) *visitor {
	at, err := url.Parse(v.w.server.URL + "/portal/operator/")
	must(v.w.t, err)
	var all []*http.Cookie
	for _, c := range v.c.Jar.Cookies(at) {
		all = append(all, &http.Cookie{Name: rename(c.Name), Value: c.Value, Path: "/portal"})
	}
	out := v.w.visitor()
	out.c.Jar.SetCookies(at, all)
	return out
}

// inside says whether somebody is signed in as a client.
func (v *visitor) inside() bool { return v.get("/sessions").status == http.StatusOK }

// rows are those of tenants that a guest does not own: a sum of each table, without the keys that
// guests have made.
func (w *world) rows(owns []string) string {
	ids := []string{}
	for _, name := range owns {
		ids = append(ids, string(treeTenant(name)))
	}
	var parts []string
	add := func(table, where string) {
		parts = append(parts, "select '"+table+":'||coalesce(md5(string_agg(x::text, '|' order by x::text)), '') from "+table+
			" x where "+where)
	}
	for _, table := range []string{"app.leads", "app.notes", "app.labels", "app.templates", "app.board",
		"app.board_share", "app.memberships", "moat.tenant_state", "moat.tenant_limit"} {
		add(table, "tenant_id is null or tenant_id <> all($1::uuid[])")
	}
	add("moat.invitation", "tenant <> all($1::uuid[]::text[])")
	add("moat.api_key", "name = 'k'")
	for _, table := range []string{"app.tenants", "app.users", "app.orders", "app.lines", "app.countries",
		"moat.console_state"} {
		add(table, "true")
	}
	return w.query("select string_agg(x, ' ' order by x) from ("+strings.Join(parts, " union all ")+") all_of(x)", ids)
}

var (
	wildcard = regexp.MustCompile(`\{(\w+)\}`)
	rowsOf   = regexp.MustCompile(`\b(A\d*|F) lead \d|label of (A\d*|F)\b`)
	consoles = regexp.MustCompile(` /portal/operator/`)
)

// fill makes the addresses of a pattern.
func fill(t *testing.T, path string, values map[string][]string) []string {
	t.Helper()
	m := wildcard.FindStringSubmatch(path)
	if m == nil {
		return []string{strings.Replace(path, "{$}", "", 1)}
	}
	if len(values[m[1]]) == 0 {
		t.Fatalf("%s: the walk does not know what %s is", path, m[0])
	}
	var out []string
	for _, v := range values[m[1]] {
		out = append(out, fill(t, strings.Replace(path, m[0], url.PathEscape(v), 1), values)...)
	}
	return out
}

// Every route that there is, for everybody who has no business there: nobody, a session that
// was stolen and ended, one that has expired, a client with the ids of others, an agency with
// those of another's clients, a viewer, an operator who views as a client, and each with the
// other's cookie. Nothing of others' is shown, and nothing of theirs changes.
func TestNoRouteCrosses(t *testing.T) {
	t.Parallel()
	w, now := everything(t)
	ctx := context.Background()
	code, err := w.portal.people.Invite(ctx, treeTenant("A"), people.Person{Issuer: "https://clients.test",
		Subject: "1"}, "invited@x.example", "owner", time.Unix(now.Load(), 0))
	must(t, err)
	_, key, err := apikey.Create(ctx, w.config.Keys, apikey.Key{Tenant: treeTenant("A"), Name: "k", Role: "owner",
		Issuer: "https://clients.test", Maker: "1"})
	must(t, err)
	ids := func(names ...string) (out []string) {
		for _, name := range names {
			out = append(out, string(treeTenant(name)))
		}
		return out
	}
	values := map[string][]string{"table": {"leads", "labels", "memberships"}, "key": {"1", "4"}, "column": {"name"},
		"tenant": ids("F", "A"), "id": ids("A"), "provider": {"0"}, "code": {code}, "version": {"x"}, "file": {"x"}}
	form := url.Values{"name": {"stolen"}, "id": {key.ID}, "score": {"1"}, "created_at": {"2026-01-01T10:00"},
		"tenant_id": ids("A"), "version": {"1"}, "act": {"delete"}, "key": {"1"}, "confirmed": {"1"}, "column": {"name"},
		"value": {"stolen"}, "all": {"1"}, "reason": {"none of yours"}, "state": {"suspended"}, "token": {"x"},
		"account": ids("A"), "person": {"1"}, "issuer": {"https://clients.test"}, "role": {"owner"},
		"email": {"thief@x.example"}, "erasure": {"request"}, "days": {"30"}, "as": {"json"}, "rate": {"1"},
		"set.name": {"thief"}, "sql": {"select * from app.leads"}}

	view := w.desk()
	if a := view.do("POST", "/operator/tenants/"+string(treeTenant("A2"))+"/view", url.Values{
		"reason": {"a walk"}}); a.status != http.StatusSeeOther {
		t.Fatal(a.status, a.body)
	}
	same := func(name string) string { return name }
	agency, stolen := w.enters("A1", "1", "owner"), w.enters("A2", "3", "owner")
	copied, late := stolen.copyOf(same), w.enters("A2", "3", "owner")
	if !copied.inside() {
		t.Fatal("the copy of a cookie opens nothing: that it does not later shows nothing")
	}
	stolen.do("POST", "/sign-out", nil)
	client := w.enters("A2", "3", "owner")
	guests := []guest{
		{visitor: w.visitor(), name: "nobody"},
		{visitor: copied, name: "a stolen session that was ended"},
		{visitor: client, name: "a client", sees: []string{"A2"}, owns: []string{"A2"}, in: client.inside},
		{visitor: agency, name: "an agency", sees: []string{"A1", "A11"}, owns: []string{"A1"}, in: agency.inside},
		{visitor: view, name: "an operator viewing", sees: []string{"A2"}, in: view.inside, only: consoles},
		{visitor: client.copyOf(func(string) string { return "moat_operator" }), name: "a client's cookie as an operator's"},
		{visitor: w.desk().copyOf(func(string) string { return "moat_client" }), name: "an operator's as a client's"},
	}
	viewer := w.enters("A1", "2", "viewer")
	guests = append(guests, guest{visitor: viewer, name: "a viewer", sees: []string{"A1", "A11"}, in: viewer.inside})
	for _, g := range guests {
		g.walk(values, form)
	}
	now.Add(int64((13 * time.Hour).Seconds()))
	guest{visitor: late, name: "an expired session"}.walk(values, form)
}

func (g guest) walk(values map[string][]string, form url.Values) {
	t, w := g.w.t, g.w
	t.Helper()
	before, all, shown, asked := w.rows(g.owns), w.rows(nil), 0, 0
	var last []string // those that sign out
	try := func(pattern string) {
		method, path, _ := strings.Cut(pattern, " ")
		form := maps.Clone(form)
		for _, at := range fill(t, path, values) {
			if asked++; strings.Contains(path, "{table}") {
				form.Set("id", fmt.Sprint(time.Now().UnixNano())) // not taken
			}
			a := g.do(method, at, form)
			if a.status >= 500 {
				t.Errorf("%s: %s %s: %d", g.name, method, at, a.status)
			}
			for _, m := range rowsOf.FindAllStringSubmatch(a.body, -1) {
				if whose := m[1] + m[2]; !slices.Contains(g.sees, whose) {
					t.Errorf("%s: %s %s shows a row of %s", g.name, method, at, whose)
					break
				}
				shown++
			}
			if g.in == nil && strings.Contains(a.body, "sign-out") {
				t.Errorf("%s: %s %s is answered as to somebody who is signed in", g.name, method, at)
			}
		}
	}
	for _, pattern := range w.portal.mux.Patterns() {
		switch {
		case !strings.Contains(pattern, " "), g.only != nil && g.only.MatchString(pattern): // the page of what is not found
		case strings.Contains(pattern, "sign-out"):
			last = append(last, pattern)
		default:
			try(pattern)
		}
	}
	if g.in != nil && (!g.in() || shown < 5) {
		t.Errorf("%s: signed in %v, with %d own rows: the walk shows nothing", g.name, g.in(), shown)
	}
	if len(g.owns) > 0 && w.rows(nil) == all {
		t.Errorf("%s could not even change its own: the walk shows nothing", g.name)
	}
	if after := w.rows(g.owns); after != before {
		t.Errorf("%s has changed what is not its own: %s\n%s", g.name, before, after)
	}
	for _, pattern := range last {
		try(pattern)
	}
	t.Logf("%s: %d requests, %d own rows", g.name, asked, shown)
}
