package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/text"
)

// A schema that is not the demo's: what the forms take and refuse.
func TestFormsOfAnySchema(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCells
	w := newWorld(t, nil)
	v := w.signedIn("1")
	form := v.get("/t/Order/new").body
	for _, want := range []string{`name="title"`, `maxlength="20"`, `<option value="paid">Paid</option>`,
		`name="quantity" type="number" value="1"`, `max="99"`, `type="date"`,
		`<option value="USD">Dollar</option>`, `type="checkbox"`, `name="extra"`} {
		if !strings.Contains(form, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	for _, absent := range []string{`name="account_id"`, `name="id"`, `name="photo"`, `name="created_at"`} {
		if strings.Contains(form, absent) {
			t.Errorf("the form asks for %s", absent)
		}
	}
	for name, tt := range map[string]struct {
		change url.Values
		status int
		says   string
	}{
		"good": {url.Values{"title": {"fine"}, "tags": {"{a,b}"}, "extra": {`{"a":1}`}, "urgent": {"true"}}, 303,
			""},
		"no title":        {url.Values{"title": {""}}, 422, "This field is required."},
		"title too long":  {url.Values{"title": {strings.Repeat("x", 21)}}, 422, "at most 20 characters; this has 21"},
		"title taken":     {url.Values{"title": {"MARK-A 1"}}, 422, "already has this value"},
		"another's title": {url.Values{"title": {"MARK-B 1"}}, 303, ""},
		"quantity":        {url.Values{"title": {"q"}, "quantity": {"100"}}, 422, "at most 99"},
		"total":           {url.Values{"title": {"t"}, "total": {"1000000"}}, 422, "less than 1,000,000"},
		"stage":           {url.Values{"title": {"s"}, "stage": {"flying"}}, 422, "Choose one from the list."},
		"currency":        {url.Values{"title": {"c"}, "currency": {"XXX"}}, 422, "does not exist"},
		"json":            {url.Values{"title": {"j"}, "extra": {"{"}}, 422, "wrong format"},
		"date":            {url.Values{"title": {"d"}, "due": {"tomorrow"}}, 422, "Enter a date."},
		"markup":          {url.Values{"title": {"<b>bold</b>"}}, 303, ""},
	} {
		if tt.status != 303 {
			tt.change.Set("select", "kept <i>as typed</i>")
		}
		a := v.do("POST", "/t/Order/new", tt.change)
		if a.status != tt.status || !strings.Contains(a.body, tt.says) {
			t.Errorf("%s: %d, %s", name, a.status, between(a.body, `class="card form"`, "</form>"))
		}
		if tt.status == 422 && !strings.Contains(a.body, "kept &lt;i&gt;as typed&lt;/i&gt;") {
			t.Errorf("%s: what was typed is lost", name)
		}
	}
	const added = `select string_agg(title, ',' order by title collate "C") from shop."Order"
		where account_id = 1 and title !~ '^MARK-A'`
	if got := w.query(added); got != "<b>bold</b>,MARK-B 1,fine" {
		t.Errorf("added %s", got)
	}
}

// Two people edit one row: the second is told, and loses nothing of the first's.
func TestSecondSaveIsTold(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCells
	w := newWorld(t, nil)
	v := w.signedIn("1")
	id := w.query(`select min(id)::text from shop."Order" where account_id = 1`)
	version := between(v.get("/t/Order/e/"+id).body, `name="version" value="`, `"`)
	save := func(title string) answer {
		return v.do("POST", "/t/Order/e/"+id, url.Values{"title": {title}, "quantity": {"3"}, "stage": {"paid"},
			"version": {version}})
	}
	if a := save("first"); a.status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", a.status, a.body)
	}
	if a := save("second"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body,
		"Somebody else has changed this") {
		t.Errorf("the second save: %d", a.status)
	}
	if got := w.query(`select title || stage from shop."Order" where account_id = 1 and id = ` + id); got != "firstpaid" {
		t.Errorf("the row is %s", got)
	}
	// A status in place, and one that is not in the list.
	if a := v.do("POST", "/t/Order/set/"+id, url.Values{"value": {"void"}}, "HX-Request",
		"true"); a.status != http.StatusOK || !strings.Contains(a.body, "Saved") {
		t.Errorf("status: %d", a.status)
	}
	a := v.do("POST", "/t/Order/set/"+id, url.Values{"value": {"flying"}}, "HX-Request", "true")
	if a.status != http.StatusUnprocessableEntity || a.header.Get("HX-Retarget") != "#notice" || strings.Contains(a.body,
		"<html") {
		t.Errorf("a wrong status: %d, %v", a.status, a.header)
	}
}

// Hostile addresses are answered, not obeyed and not with a 500.
func TestListsOfAnyAddress(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestNoRouteCrosses
	w := newWorld(t, nil)
	v := w.signedIn("1")
	for address, says := range map[string]string{
		"":                                "60",
		"?q=MARK-A+7":                     "MARK-A 7",
		"?q=%25":                          "Nothing matches",
		"?q=%00":                          "60",
		"?q=" + strings.Repeat("x", 5000): "Nothing matches",
		"?f.id=nonsense":                  "cannot be “",
		"?f.total.min=600":                "4",
		"?f.total.min=1e400":              "cannot be “",
		"?f.total.min=" + strings.Repeat("9", 90):    "Nothing matches",
		"?f.quantity=99999999999":                    "cannot be “",
		"?f.due.min=2026-10-01&f.due.max=2026-12-01": "60",
		"?f.created_at.min=2020-01-01":               "60",
		"?f.stage=flying":                            "",
		"?f.urgent=maybe":                            "cannot be “",
		"?sort=nothing&dir=sideways":                 "60",
		"?sort=select%22%3B--":                       "60",
		"?page=999999999999999999999":                "60",
		"?page=-1&cols=photo&cols=extra":             "Photo",
		"?f.select.null=yes":                         "Nothing matches",
	} {
		a := v.get("/t/Order" + address)
		if a.status >= 500 || !strings.Contains(a.body, says) {
			t.Errorf("%s: %d, no %q", text.Clip(address, 60), a.status, says)
		}
	}
	a := v.get("/t/Order/export?q=MARK-A+5&sort=id&dir=asc")
	if rows := strings.Count(a.body, "MARK-A 5"); rows != 11 || !strings.HasPrefix(a.body, "id,title,select") ||
		!strings.Contains(a.header.Get("Content-Disposition"), "Order.csv") {
		t.Errorf("the file has %d rows: %s", rows, text.Clip(a.body, 200))
	}
}

// What clients do not reach through the API they do not reach here.
func TestExposedInThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) {
		c.Door = serving.NewDoor(c.DB, serving.Admission{Expose: map[catalog.QName]serving.Access{
			{Schema: "shop", Name: "lines"}: {Hidden: true},
			{Schema: "shop", Name: "Order"}: {Hide: []string{"quantity"}, ReadOnly: true},
		}})
	})
	v := w.signedIn("1")
	if a := v.get("/t/lines"); a.status != http.StatusNotFound {
		t.Errorf("a hidden table: %d", a.status)
	}
	list := v.get("/t/Order")
	if list.status != http.StatusOK || strings.Contains(list.body, "Quantity") || strings.Contains(list.body, "/new") {
		t.Errorf("%d\n%s", list.status, list.body)
	}
	if a := v.get("/t/Order/new"); a.status == http.StatusOK {
		t.Errorf("a form for a table that is only read")
	}
	if a := v.get("/t/Order/export"); a.status != http.StatusOK || strings.Contains(a.body, "quantity") {
		t.Errorf("export: %d %s", a.status, a.body)
	}
}
