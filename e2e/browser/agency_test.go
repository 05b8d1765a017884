package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// signInAsAgency picks the agency above the demo's clients.
func (b *tab) signInAsAgency() {
	b.t.Helper()
	b.open("/sign-in")
	b.follow(`button[value="` + string(shared.demo.Agency.Tenant) + `"]`)
}

// The agency sees its clients at a glance, sorts them, sets two side by side, and looks at one,
// who can read it.
func TestAgencyOverview(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.signInAsAgency()
	b.follow(`nav a[href="/portal/clients"]`)
	for _, c := range shared.demo.Clients {
		b.has("main table", c.Name)
	}
	b.follow(`.switch a[href*="range=90d"]`)
	b.has(".switch a[aria-current]", "90 days")
	b.follow(`th a[href*="sort=name"]`)
	if first := eval[string](b, `document.querySelector("tbody a.name").innerText`); first != "Alpine Roofing" {
		t.Errorf("sorted by name, the first client is %s", first)
	}
	b.everyLook("clients", strings.TrimPrefix(b.where(), "/portal"))
	b.look(1440, false)
	b.open("/clients")
	b.click(`tbody tr:nth-child(2) input[name="c"]`)
	b.click(`tbody tr:nth-child(3) input[name="c"]`)
	b.follow(`form .foot button`)
	b.has("main table", shared.demo.Clients[0].Name)
	b.everyLook("compare", strings.TrimPrefix(b.where(), "/portal"))
	b.look(1440, false)
	b.open("/clients")
	b.follow(`a.name[href$="` + string(shared.demo.Clients[4].Tenant) + `"]`)
	b.has("h1", shared.demo.Clients[4].Name)
	b.everyLook("client", strings.TrimPrefix(b.where(), "/portal"))

	c := newTab(t)
	c.signIn(4)
	c.open("/access")
	c.has("main table", "looked at the client from its agency")
	c.has("main table", "of "+shared.demo.Agency.Name)
}

// A status that is changed in a list is counted anew, and says so without covering its label.
func TestStatusIsCountedAgain(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.signIn(4)
	b.open("/t/leads")
	count := `[...document.querySelectorAll("#results .tabs a")].find(x => x.innerText.startsWith("Lost")).innerText`
	before := eval[string](b, count)
	b.must(chromedp.SetValue(chromedp.CSS("#results td form.status:has(option[selected]:not([value=lost])) select"),
		"lost"))
	b.until(count + " !== " + quote(before))
	if !eval[bool](b, `(box => box.width <= 1 && box.height <= 1)`+
		`(document.querySelector(".saved").getBoundingClientRect())`) {
		t.Error("the note of what was saved covers something")
	}
	// What is chosen from is inside of its popover.
	b.click("details.drop summary")
	if wide := eval[int](b, `[...document.querySelectorAll(".sheet input, .sheet select")].filter(x => `+
		`x.getBoundingClientRect().right > x.closest(".sheet").getBoundingClientRect().right).length`); wide > 0 {
		t.Errorf("%d fields leave their popover", wide)
	}
	b.everyPage("filters")
}
