package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func setValue(selector, value string) chromedp.Action[chromedp.Void] {
	return chromedp.SetValue(chromedp.CSS(selector), value)
}

func clickAll(selectors ...string) []chromedp.Action[chromedp.Void] {
	var all []chromedp.Action[chromedp.Void]
	for _, s := range selectors {
		all = append(all, chromedp.ScrollIntoView(chromedp.CSS(s)), chromedp.Click(chromedp.CSS(s)))
	}
	return all
}

func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.must(chromedp.KeyEvent(k))
	}
}

// A client's day by the keyboard: find, open, change in place, pick and delete.
func TestDailyWork(t *testing.T) {
	t.Parallel()
	const id = "22222222-3333-4444-8555-666666666666"
	b := newClient(t, id, "Daily", `insert into app.leads (tenant_id, name, company, source, value, score)
		select $1::uuid, 'Person ' || n, 'Company ' || n, 'phone', n * 100, n from generate_series(1, 12) n`)
	b.signInWith(id)
	// Search everything.
	b.press("/")
	b.until(`document.getElementById("find").open && document.activeElement.id === "find-text"`)
	b.press(kb.Escape)
	b.until(`!document.getElementById("find").open`)
	b.must(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.until(`document.getElementById("find").open`)
	// A key that a program presses types its letter as well.
	eval[string](b, `document.getElementById("find-text").value = ""`)
	b.must(chromedp.SendKeys(chromedp.CSS("#find-text"), "company 7"))
	b.until(`document.querySelectorAll("#find-found a").length === 1`)
	b.everyPage("find")
	b.press(kb.ArrowDown)
	b.until(`document.activeElement.closest("#find-found") !== null`)
	eval[bool](b, "window.old = true")
	b.press(kb.Enter)
	b.until("window.old === undefined && document.readyState === 'complete'")
	b.has("h1", "Person 7")

	// Rows by j and k, a value by e, Tab and Enter.
	b.open("/t/leads?sort=value&dir=asc")
	b.press("j", "j", "k")
	b.until(`document.activeElement.innerText === "Person 1"`)
	b.press("e")
	b.until(`document.activeElement.matches("form.cellform #field-name")`)
	b.everyPage("cell")
	b.must(chromedp.SetValue(chromedp.CSS("form.cellform #field-name"), "Renamed"))
	b.press(kb.Enter)
	b.until(`document.querySelector("#results td.first").innerText === "Renamed" && ` +
		`!document.querySelector("form.cellform")`)
	b.must(chromedp.DoubleClick(chromedp.CSS(`#results tbody tr:first-child td[data-col="value"]`)))
	b.until(`document.activeElement.matches("form.cellform #field-value") && !document.querySelector(".htmx-settling")`)
	b.must(chromedp.SetValue(chromedp.CSS("form.cellform #field-value"), "-5"))
	b.press(kb.Enter)
	b.has("form.cellform", "at least 0")
	b.press(kb.Escape)
	b.until(`!document.querySelector("form.cellform")`)

	// Pick two rows, delete them after a look at how many they are.
	b.open("/t/leads?sort=value&dir=asc")
	b.press("j", "x", "j", "x")
	b.has("[data-picked]", "2 selected")
	b.everyPage("picked")
	b.follow(`#bulk button[value="delete"]`)
	b.has("h1", "Delete 2 leads?")
	b.has(".named", "Renamed")
	b.has(".form", "lead events are deleted")
	b.everyPage("bulk-delete")
	b.follow(".form .button.main")
	b.has(".notice.good", "2 leads deleted")
	b.has("#results .foot", "of 10")

	// Filters of columns that are no lists, told above the rows and taken off again.
	b.open("/t/leads?f.company.has=company+1&f.score.min=10&view=Tenths")
	b.has(".chips", "Company contains “company 1”")
	if title := eval[string](b, "document.title"); !strings.HasPrefix(title, "Tenths · Leads") {
		t.Errorf("the title is %s", title)
	}
	b.everyPage("filtered")
	b.click(".chips li:nth-child(2) a")
	b.until(`!location.search.includes("f.score.min") && document.querySelectorAll(".chips li").length === 1`)
	b.press("?")
	b.until(`document.getElementById("keys").open`)
	b.everyPage("keys")
}

// The people of a client, its sessions and its data.
func TestPeopleOfAClient(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.signIn(1)
	b.everyLook("people", "/people")
	b.look(1440, false)
	b.has("table", "Tom Brennan")
	b.has("table", "You")
	b.fill("#email", "grace@example.com")
	b.follow(`form[action$="/invite"] button`)
	b.has("#link", "/portal/invitation/")
	b.open("/people")
	b.has(".waiting", "grace@example.com")
	b.follow(".waiting button")
	b.has(".notice.good", "withdrawn")
	second := newTab(t)
	second.signIn(1)
	b.everyLook("sessions", "/sessions")
	b.look(1440, false)
	b.follow(`.head .actions button`)
	second.open("/dashboard")
	if at := second.where(); at != "/portal/sign-in" {
		t.Errorf("the session that was ended is at %s", at)
	}
	b.everyLook("your-data", "/data")
	b.everyLook("search", "/search?q=marcus")
	b.look(1440, false)
	size := func() int {
		eval[bool](b, `fetch("/portal/data/export").then(r => r.arrayBuffer())`+
			`.then(x => { window.zip = x.byteLength }) && true`)
		b.until("window.zip > 0")
		return eval[int](b, "window.zip")
	}()
	if size < 100_000 {
		t.Errorf("all data is %d bytes", size)
	}
}
