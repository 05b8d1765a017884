package portal

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
)

// The console makes a client, and says what the database would not take.
func TestConsoleCreatesAClient(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestNoRouteCrosses
	w := newWorld(t, nil)
	desk := w.desk()
	if page := desk.get("/operator/new"); page.status != http.StatusOK || !strings.Contains(page.body, `name="set.id"`) {
		t.Fatal(page.status, page.body)
	}
	ask := func(form url.Values) answer { return desk.do("POST", "/operator/new", form) }
	why := []string{"a new contract"}
	if got := ask(url.Values{"set.id": {"7"}, "set.name": {"Seven"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("no reason: %d", got.status)
	}
	for _, id := range []string{"1", "x", ""} { // taken, of the wrong type, none
		got := ask(url.Values{"set.id": {id}, "set.name": {"Twice"}, "reason": why})
		if got.status != http.StatusOK || !strings.Contains(got.body, "The database refused it") ||
			!strings.Contains(got.body, `value="Twice"`) {
			t.Errorf("id %q: %d\n%s", id, got.status, got.body)
		}
	}
	got := ask(url.Values{"set.id": {"7"}, "set.name": {"Seven <b>"}, "set.suspended; drop": {"x"}, "reason": why})
	if got.status != http.StatusSeeOther || !strings.Contains(got.header.Get("Location"), "/tenants/7?done=created") {
		t.Fatal(got.status, got.header)
	}
	if n := w.query("select count(*)::text from shop.accounts where id = 7 and name = 'Seven <b>'"); n != "1" {
		t.Errorf("%s clients of this name", n)
	}
	if page := desk.get("/operator/tenants/7?done=created"); page.status != http.StatusOK {
		t.Error(page.status)
	}
}

// upload sends a form with a file.
func (v *visitor) upload(path string, file []byte, fields map[string]string) answer {
	v.w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		must(v.w.t, form.WriteField(name, value))
	}
	part, err := form.CreateFormFile("file", "export")
	must(v.w.t, err)
	_, err = part.Write(file)
	must(v.w.t, err)
	must(v.w.t, form.Close())
	r, err := http.NewRequest("POST", v.w.server.URL+frame.Base+path, &body)
	must(v.w.t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := v.c.Do(r)
	must(v.w.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(v.w.t, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

// What the console exports, it compares and restores, and no other client is touched.
func TestConsoleExportsAndRestores(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: lifecycle's TestRoundTrip
	w := newWorld(t, func(c *Config) { c.Operator.LeaveOut = []string{"shop.Order.photo"} })
	desk := w.desk()
	view, err := w.config.Source(t.Context())
	must(t, err)
	setup := lifecycle.SetupSQL(view, w.config.Operator.Pool.Config().ConnConfig.User)
	_, err = w.admin.PgConn().Exec(t.Context(), setup).ReadAll()
	must(t, err)
	const rows = `select md5(string_agg(o::text, '|' order by id)) from shop."Order" o where account_id = `
	mine, others := w.query(rows+"1"), w.query(rows+"2")
	got := desk.do("POST", "/operator/tenants/1/export", url.Values{"as": {"archive"}, "reason": {"before the change"}})
	if got.status != http.StatusOK || !strings.Contains(got.header.Get("Content-Disposition"), "1.tar.zst") {
		t.Fatal(got.status, got.header, got.body)
	}
	archive := []byte(got.body)
	m, err := lifecycle.ReadExport(bytes.NewReader(archive))
	must(t, err)
	if m.Tenant != "1" || len(m.LeftOut) > 0 {
		t.Errorf("%+v", m)
	}
	csv := desk.do("POST", "/operator/tenants/1/export", url.Values{"as": {"csv"}, "reason": {"they asked"}})
	if csv.status != http.StatusOK || !strings.HasPrefix(csv.body, "PK") {
		t.Fatal(csv.status, csv.header)
	}
	_, err = w.admin.Exec(t.Context(), `update shop."Order" set quantity = 99 where account_id = 1`)
	must(t, err)
	broken := w.query(rows + "1")
	why := map[string]string{"reason": "a bad import"}
	if got := desk.upload("/operator/tenants/1/restore", archive, why); got.status != http.StatusOK ||
		!strings.Contains(got.body, "What a restore would change") || w.query(rows+"1") != broken {
		t.Fatal(got.status, got.body)
	}
	for what, c := range map[string]struct {
		path string
		file []byte
	}{"another client's": {"/operator/tenants/2/restore", archive}, "half of it": {"/operator/tenants/1/restore",
		archive[:len(archive)/2]}, "no export": {"/operator/tenants/1/restore", []byte("hello")}} {
		got := desk.upload(c.path, c.file, map[string]string{"reason": "a bad import", "apply": "yes"})
		if got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", what, got.status)
		}
	}
	if w.query(rows+"1") != broken {
		t.Error("a refused file changed rows")
	}
	// An archive may be larger than any other form.
	got = desk.upload("/operator/tenants/1/restore", archive, map[string]string{"reason": "a bad import", "apply": "yes",
		"padding": strings.Repeat("x", 2<<20)})
	if got.status != http.StatusOK || !strings.Contains(got.body, "Restored") || w.query(rows+"1") != mine {
		t.Fatal(got.status, got.body)
	}
	if w.query(rows+"2") != others {
		t.Error("rows of another client changed")
	}
	copied := w.copies(desk)
	a := w.signedIn("1")
	if log := a.get("/access").body; !strings.Contains(log, copied) || !strings.Contains(log, "they asked") ||
		!strings.Contains(log, "restored the tenant") {
		t.Error("the client cannot read who exported and restored its rows")
	}
	for _, path := range []string{"/operator/tenants/1/export", "/operator/tenants/1/restore",
		"/operator/tenants/1/copy", "/operator/new"} {
		if got := a.do("POST", path, url.Values{"as": {"archive"}, "reason": {"curious"}}); strings.Contains(got.body,
			"MARK") || got.status != http.StatusSeeOther {
			t.Errorf("a client at %s: %d", path, got.status)
		}
	}
}

// Limits are set from the console, and what is no limit is refused.
func TestConsoleSetsLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	desk := w.desk()
	ask := func(name, value string) int {
		return desk.do("POST", "/operator/tenants/1/limits", url.Values{name: {value}, "reason": {"big plan"}}).status
	}
	for _, bad := range []string{"0", "-1", "x", "1e99", "NaN", "1.5"} {
		if got := ask("burst", bad); got != http.StatusUnprocessableEntity {
			t.Errorf("burst %s: %d", bad, got)
		}
	}
	schema := func() string {
		snapshot, err := catalog.Load(t.Context(), w.admin)
		must(t, err)
		snapshot.Roles, snapshot.Memberships = nil, nil // the cluster's: other tests make them meanwhile
		return catalog.Fingerprint(snapshot)
	}
	before := schema()
	if got := ask("rate", "12.5"); got != http.StatusSeeOther {
		t.Fatal(got)
	}
	if schema() != before {
		t.Error("setting a limit changed the schema: the next look would call it drift")
	}
	const own = "select coalesce(max(requests_per_second), 0)::text from moat.tenant_limit where account_id = 1"
	if got := w.query(own); got != "12.5" {
		t.Errorf("the limit is %s", got)
	}
	if page := desk.get("/operator/tenants/1"); !strings.Contains(page.body, `value="12.5"`) {
		t.Error("the page does not show the limit")
	}
	if got := ask("rate", ""); got != http.StatusSeeOther || w.query(own) != "0" {
		t.Error("the limit stayed", got)
	}
}

// The console counts what a client takes of the server.
func TestConsoleShowsUsage(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestConsoleSetsLimits
	w := newWorld(t, nil)
	a, desk := w.signedIn("1"), w.desk()
	before, _ := w.portal.clients.Gate.Usage("1")
	for range 3 {
		a.get("/t/Order")
	}
	after, _ := w.portal.clients.Gate.Usage("1")
	if after.Requests-before.Requests != 3 || after.Busy <= before.Busy {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if other, _ := w.portal.clients.Gate.Usage("2"); other.Requests != 0 {
		t.Errorf("another client: %+v", other)
	}
	if page := desk.get("/operator/tenants/1"); !strings.Contains(page.body, "Refused as too many") {
		t.Error(page.status, "the page shows no usage")
	}
}

// copies makes a client with the rows of another, and returns what its line in the log says.
func (w *world) copies(desk *visitor) string {
	w.t.Helper()
	ask := func(id, set string) answer {
		return desk.do("POST", "/operator/tenants/1/copy", url.Values{"id": {id}, "set": {set}, "reason": {"a trial"}})
	}
	for what, got := range map[string]answer{"an id that is taken": ask("2", ""), "no id": ask("", ""),
		"no value": ask("9", "x"), "no such column": ask("9", "shop.nope.x=y")} {
		if got.status != http.StatusUnprocessableEntity {
			w.t.Errorf("a copy with %s: %d %s", what, got.status, got.body)
		}
	}
	got := ask("9", "shop.accounts.name={} again\n")
	if got.status != http.StatusSeeOther || !strings.Contains(got.header.Get("Location"), "/tenants/9?done=copied") {
		w.t.Fatal(got.status, got.header, got.body)
	}
	const orders = `select md5(string_agg(title || coalesce(total::text, ''), '|' order by title, id)) from shop."Order"
		where account_id = `
	if w.query(orders+"9") != w.query(orders+"1") ||
		w.query("select name from shop.accounts where id = 9") != "Account MARK-A again" {
		w.t.Error("the copy is not the client")
	}
	return "cloned the tenant"
}
