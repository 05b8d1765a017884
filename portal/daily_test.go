package portal

import (
	"archive/zip"
	_ "embed"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/portal/internal/schema"
)

//go:embed testdata/office.sql
var office string

// Tables and columns are shown as the configuration and the comments say, secrets are not
// shown at all, in pages and files, and what records deeds is read only.
func TestShownAsConfigured(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestExposedInThePortal
	w := newOffice(t, func(c *Config) {
		c.Tables = map[catalog.QName]Table{
			{Schema: "shop", Name: "lines"}: {Look: Look{Hidden: true}},
			{Schema: "shop", Name: "contacts"}: {Look: Look{Name: "Buyers", Order: 1}, Singular: "Buyer",
				Columns: map[string]Look{"visits": {ReadOnly: true, Name: "Calls"}},
				Views:   map[string]string{"Often": "f.visits.min=4"}},
		}
	})
	v := w.signedIn("1")
	if a := v.get("/t/lines"); a.status != http.StatusNotFound {
		t.Errorf("a hidden table: %d", a.status)
	}
	list := v.get("/t/contacts?cols=name&cols=note&cols=visits&cols=password_hash").body
	for says, want := range map[string]bool{"New Buyer": false, "New buyer": true, "Calls": true, "Buyers": true,
		"Often": true, "HASH-NEVER": false, "Password": false, "R9h/cIPz": false, schema.Veil: true} {
		if strings.Contains(list, says) != want {
			t.Errorf("the list and %q: %v", says, !want)
		}
	}
	if often := v.get("/t/contacts?f.visits.min=4&view=Often").body; strings.Count(often, "data-place=") != 2 {
		t.Error("the view does not show two rows")
	}
	for _, path := range []string{"/t/contacts/export", "/t/contacts/export?cols=password_hash&cols=note", "/data/export",
		"/search?q=HASH-NEVER", "/t/contacts?q=HASH-NEVER", "/t/contacts?f.password_hash=HASH-NEVER", "/t/preferences"} {
		body := v.get(path).body
		if strings.HasPrefix(body, "PK") {
			body = unzipped(t, body)
		}
		shown := strings.ReplaceAll(strings.ReplaceAll(body, "“HASH-NEVER”", ""), `value="HASH-NEVER"`, "")
		shown = strings.ReplaceAll(shown, "q=HASH-NEVER", "")
		if strings.Contains(shown, "HASH-NEVER") || strings.Contains(shown, "R9h/cIPz") || strings.Contains(shown, "tok-A") {
			t.Errorf("%s shows a secret", path)
		}
	}
	id := w.query(`select min(id)::text from shop.contacts where account_id = 1`)
	form := v.get("/t/contacts/e/" + id)
	if strings.Contains(form.body, `name="note"`) || strings.Contains(form.body, `name="visits"`) ||
		!strings.Contains(form.body, `name="name"`) {
		t.Error("the form asks for a veiled or locked value, or for nothing")
	}
	version := between(form.body, `name="version" value="`, `"`)
	if a := v.do("POST", "/t/contacts/e/"+id, url.Values{"name": {"MARK-A renamed"}, "visits": {"99"},
		"password_hash": {"stolen"}, "version": {version}}); a.status != http.StatusSeeOther {
		t.Fatalf("saving: %d", a.status)
	}
	if got := w.query(`select concat_ws(' ', name, visits, password_hash) || note from shop.contacts where id = ` + id +
		` and account_id = 1`); !strings.HasPrefix(got, "MARK-A renamed 1 HASH-NEVERkey $2b$12$R9h") {
		t.Errorf("after saving the row is %s", got)
	}
	tags := v.get("/t/tags").body
	if !strings.Contains(tags, "Label") || strings.Contains(tags, "INTERNAL") || strings.Contains(tags, "@portal") {
		t.Error("comments are not obeyed")
	}
	if a := v.do("POST", "/t/audit_log/new", url.Values{"action": {"forged"}}); a.status != http.StatusNotFound {
		t.Errorf("a line of the audit log: %d", a.status)
	}
	if links := v.get("/t/order_tags").body; !strings.Contains(links, "MARK-A tag") {
		t.Error("a link table does not show what it links")
	}
}

func unzipped(t *testing.T, body string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	must(t, err)
	var all strings.Builder
	for _, f := range r.File {
		one, err := f.Open()
		must(t, err)
		text, err := io.ReadAll(one)
		must(t, err)
		all.WriteString(f.Name + "\n" + string(text))
	}
	return all.String()
}

func TestConfiguredNamesMustBeThere(t *testing.T) {
	t.Parallel()
	w := newOffice(t, nil)
	for _, tables := range []map[catalog.QName]Table{{{Schema: "shop", Name: "nothing"}: {}},
		{{Schema: "shop", Name: "tags"}: {Columns: map[string]Look{"nmae": {Hidden: true}}}}} {
		c := w.config
		c.Tables = tables
		p, err := New(c)
		must(t, err)
		if err := p.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "portal.tables") {
			t.Errorf("%v: %v", tables, err)
		}
	}
}

// The settings of A are A's, whatever is sent.
func TestSettingsPage(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestNoRouteCrosses
	w := newOffice(t, nil)
	v := w.signedIn("1")
	page := v.get("/t/preferences")
	version := between(page.body, `name="version" value="`, `"`)
	if page.status != 200 || !strings.Contains(page.body, `value="en"`) {
		t.Fatalf("%d %s", page.status, page.body)
	}
	a := v.do("POST", "/t/preferences/settings", url.Values{"language": {"fr"}, "account_id": {"2"}, "api_token": {"x"},
		"version": {version}})
	if a.status != http.StatusSeeOther {
		t.Errorf("%d", a.status)
	}
	const all = `select string_agg(concat(account_id, language, api_token), ',' order by account_id) from shop.preferences`
	if got := w.query(all); got != "1frtok-A,2deMARK-B" {
		t.Error(got)
	}
	if a := v.do("POST", "/t/preferences/settings", url.Values{"language": {"it"},
		"version": {version}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an old version: %d", a.status)
	}
	if a := v.do("POST", "/t/tags/settings", url.Values{"name": {"x"}}); a.status != http.StatusNotFound {
		t.Errorf("no settings: %d", a.status)
	}
}

// Many rows are changed or deleted together: as many as were confirmed, or none, and no
// others than the tenant's own.
func TestBulk(t *testing.T) {
	t.Parallel()
	w := newOffice(t, nil)
	v := w.signedIn("1")
	ids := strings.Split(w.query(`select string_agg(id::text, ',' order by id) from shop.contacts
		where account_id = 1`), ",")
	theirs := w.query(`select min(id)::text from shop.contacts where account_id = 2`)
	state := func() string {
		return w.query(`select string_agg(account_id || name, ',' order by id) from shop.contacts`)
	}
	before := state()
	post := func(change ...string) answer {
		form := url.Values{"key": {ids[0], ids[1], theirs}, "act": {"delete"}}
		for i := 0; i+1 < len(change); i += 2 {
			if form.Del(change[i]); change[i+1] != "" {
				form.Set(change[i], change[i+1])
			}
		}
		return v.do("POST", "/t/contacts/bulk", form)
	}
	asked := post()
	if !strings.Contains(asked.body, "Delete 2 contacts?") || strings.Contains(asked.body, "MARK-B") || state() != before {
		t.Errorf("asking: %d %s", asked.status, between(asked.body, "<h1>", "</h1>"))
	}
	for name, tt := range map[string]struct {
		change []string
		status int
	}{
		"another count":      {[]string{"confirmed", "3"}, 422},
		"no count":           {[]string{"confirmed", "x"}, 404},
		"a negative count":   {[]string{"confirmed", "-1"}, 404},
		"nothing":            {[]string{"key", "", "confirmed", "1"}, 422},
		"a key of no kind":   {[]string{"key", "' or true --", "confirmed", "1"}, 404},
		"only B's":           {[]string{"key", theirs, "confirmed", "1"}, 404},
		"all, miscounted":    {[]string{"all", "1", "confirmed", "10"}, 422},
		"B's by a filter":    {[]string{"all", "1", "query", "f.account_id=2&q=MARK-B", "confirmed", "5"}, 404},
		"an impossible one":  {[]string{"all", "1", "query", "f.visits=many", "confirmed", "5"}, 404},
		"a column of none":   {[]string{"act", "change", "column", "account_id", "account_id", "2", "confirmed", "2"}, 404},
		"a secret column":    {[]string{"act", "change", "column", "password_hash", "confirmed", "2"}, 404},
		"a value of no kind": {[]string{"act", "change", "column", "visits", "visits", "many", "confirmed", "2"}, 422},
	} {
		if a := post(tt.change...); a.status != tt.status || state() != before {
			t.Errorf("%s: %d, changed %v", name, a.status, state() != before)
		}
	}
	if a := v.do("POST", "/t/contacts/bulk", url.Values{"key": {ids[0]}, "act": {"delete"}, "confirmed": {"1"}},
		"Origin", "https://evil.example"); a.status != http.StatusForbidden || state() != before {
		t.Errorf("a forged form: %d", a.status)
	}
	if a := post("act", "change", "column", "name", "name", "Same", "key", ids[1], "confirmed", "1"); a.status != 303 {
		t.Errorf("changing: %d", a.status)
	}
	if a := post("confirmed", "2"); a.status != http.StatusSeeOther || !strings.Contains(a.header.Get("Location"),
		"deleted=2") {
		t.Errorf("deleting: %d %s", a.status, a.header.Get("Location"))
	}
	if a := post("all", "1", "query", "f.visits.min=4", "confirmed", "2"); a.status != http.StatusSeeOther {
		t.Errorf("deleting all that match: %d", a.status)
	}
	if got := state(); strings.Count(got, "1MARK-A") != 1 || strings.Count(got, "2MARK-B") != 5 {
		t.Errorf("left are %s", got)
	}
	// What refers to a row keeps it, or goes with it, and the page says which.
	tag := w.query(`select min(id)::text from shop.tags where account_id = 1`)
	if a := v.do("POST", "/t/tags/bulk", url.Values{"key": {tag}, "act": {"delete"},
		"confirmed": {"1"}}); a.status != 422 ||
		!strings.Contains(a.body, "still refer") {
		t.Errorf("a tag in use: %d", a.status)
	}
	order := w.query(`select min(id)::text from shop."Order" where account_id = 1`)
	if a := v.do("POST", "/t/Order/bulk", url.Values{"key": {order}, "act": {"delete"}}); !strings.Contains(a.body,
		"Their order tags are deleted") {
		t.Errorf("what goes with an order: %d", a.status)
	}
}

// One value is changed where it stands, against the version that was read.
func TestCells(t *testing.T) {
	t.Parallel()
	w := newOffice(t, nil)
	v := w.signedIn("1")
	id := w.query(`select min(id)::text from shop.contacts where account_id = 1`)
	theirs := w.query(`select min(id)::text from shop.contacts where account_id = 2`)
	odd := "/cell/" + id + "/" + url.PathEscape(`we"ird'<b>`)
	form := v.get("/t/contacts" + odd)
	version := between(form.body, `name="version" value="`, `"`)
	if form.status != 200 || !strings.Contains(form.body, `value="odd 1"`) || strings.Contains(form.body, "<b>") {
		t.Fatalf("%d %s", form.status, form.body)
	}
	save := func(at, column, value, version string) answer {
		return v.do("POST", "/t/contacts"+at, url.Values{column: {value}, "version": {version}}, "HX-Request", "true")
	}
	if a := save(odd, `we"ird'<b>`, "<i>x</i>", version); a.status != 200 || !strings.Contains(a.body, "&lt;i&gt;x") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := save(odd, `we"ird'<b>`, "late", version); a.status != 422 || !strings.Contains(a.body, "Somebody else") {
		t.Errorf("an old version: %d %s", a.status, a.body)
	}
	if a := save("/cell/"+id+"/visits", "visits", "x", version); a.status != 422 ||
		!strings.Contains(a.body, "whole number") {
		t.Errorf("no number: %d %s", a.status, a.body)
	}
	for _, at := range []string{"/cell/" + theirs + "/name", "/cell/" + id + "/password_hash",
		"/cell/" + id + "/account_id",
		"/cell/" + id + "/id", "/cell/" + id + "/note", "/cell/1,2/name", "/cell/x/name"} {
		if a := v.get("/t/contacts" + at); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", at, a.status)
		}
		if a := save(at, at[strings.LastIndex(at, "/")+1:], "stolen", version); a.status != http.StatusNotFound {
			t.Errorf("POST %s: %d", at, a.status)
		}
	}
	if n := w.query(`select count(*)::text from shop.contacts
		where concat(name, note, password_hash) ~ 'stolen'`); n != "0" {
		t.Errorf("%s rows were stolen", n)
	}
}

// Searching everything finds A's in every table, and says where it was stopped.
func TestSearchEverything(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWalkAsTheOtherFindsNothing
	w := newOffice(t, nil)
	v := w.signedIn("1")
	found := v.get("/search?q=mark-a").body
	for _, table := range []string{"Orders", "Order", "Tags", "Contacts"} {
		if table != "Orders" && !strings.Contains(found, "<span>"+table+"</span>") {
			t.Errorf("nothing is found in %s", table)
		}
	}
	if strings.Contains(found, "MARK-B") || strings.Contains(v.get("/search?q=MARK-B").body, "MARK-B tag") {
		t.Error("B's rows are found")
	}
	if a := v.get("/search?q=%00%27%25", "HX-Request", "true"); a.status != 200 || strings.Contains(a.body, "<html") {
		t.Errorf("hostile: %d", a.status)
	}
	w.db.Exec(t, `CREATE FUNCTION shop.slowly() RETURNS boolean LANGUAGE sql AS 'select pg_sleep(0.2) is not null';
		CREATE POLICY slow ON shop.contacts AS RESTRICTIVE USING (shop.slowly())`)
	slow := v.get("/search?q=mark-a").body
	if !strings.Contains(slow, "stopped in contacts") || !strings.Contains(slow, "MARK-A tag") {
		t.Error("it is not said where the search was stopped, or nothing else is found")
	}
	if list := v.get("/t/contacts?q=nobody").body; !strings.Contains(list, "Counting took too long") &&
		!strings.Contains(list, "stopped after two seconds") && !strings.Contains(list, "Nothing matches") {
		t.Error("a slow list says nothing")
	}
}

// Filters of every kind of column, and what a column cannot be asked.
func TestFiltersOfEveryColumn(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestListsOfAnyAddress
	w := newOffice(t, nil)
	v := w.signedIn("1")
	for query, rows := range map[string]int{"f.title.has=a+7": 1, "f.due.min=2026-11-02": 0, "f.due.max=2026-11-01": 50,
		"f.extra.has=who": 50, "f.tags.has=svg": 50, "f.photo.null=no": 50, "f.urgent=true": 0, "f.quantity.max=1": 50,
		"f.at_local.min=2026-11-01": 50, "f.select.has=%25": 0, "f.currency.has=euro": 50, "f.photo=x": 0,
		"f.title.min=a": 0, "f.extra=x": 0, "f.urgent.has=t": 0} {
		a := v.get("/t/Order?" + query)
		if got := strings.Count(a.body, "<tr data-place"); a.status != 200 || got != rows {
			t.Errorf("%s: %d, %d rows", query, a.status, got)
		}
	}
	if !strings.Contains(v.get("/t/Order?f.title.has=a+7").body, "Title contains “a 7”") {
		t.Error("it is not said which filters are on")
	}
}
