package browser

import (
	"fmt"
	"strings"
	"testing"
)

// looks are the widths and themes every page is seen in.
var looks = [...]struct {
	width int64
	dark  bool
}{{1440, false}, {1440, true}, {390, false}, {390, true}}

// look at the pages of a client: nothing is wider than the window.
func TestClientPagesLook(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.everyLook("sign-in", "/sign-in")
	b.signIn(0)
	lead := b.firstLead()
	for name, path := range map[string]string{"dashboard": "/dashboard", "list": "/t/leads",
		"list-empty": "/t/leads?q=nobodyhasthisname", "list-columns": "/t/leads?cols=name&cols=email&cols=value",
		"record": lead, "form-new": "/t/leads/new", "form-edit": strings.Replace(lead, "/r/", "/e/", 1),
		"campaigns": "/t/campaigns", "lead-events": "/t/lead_events", "templates": "/t/templates",
		"referrals": "/t/referrals", "error": "/t/nothing"} {
		b.everyLook(name, path)
	}
	b.look(1440, false)
	b.open("/keys")
	b.fill("#name", "Import of the web site")
	b.follow(`form[action$="/keys"] button`)
	b.everyPage("key-made")
	b.everyLook("keys", "/keys")
}

func (b *tab) firstLead() string {
	b.t.Helper()
	b.look(1440, false)
	b.open("/t/leads")
	if over := eval[int](b, `(e => e.scrollWidth - e.clientWidth)(document.querySelector("#results .scroll"))`); over > 0 {
		b.t.Errorf("the leads scroll sideways by %d px", over)
	}
	return eval[string](b, `document.querySelector("a.name").getAttribute("href").replace("/portal", "")`)
}

func (b *tab) everyLook(name, path string) {
	b.t.Helper()
	for _, l := range looks {
		b.look(l.width, l.dark)
		b.open(path)
		b.judge(name, l.width, l.dark)
	}
}

// everyPage is everyLook at a page as it stands, which is not opened anew.
func (b *tab) everyPage(name string) {
	b.t.Helper()
	for _, l := range looks {
		b.look(l.width, l.dark)
		b.judge(name, l.width, l.dark)
	}
	b.look(1440, false)
}

func (b *tab) judge(name string, width int64, dark bool) {
	b.t.Helper()
	b.until("document.fonts.status === 'loaded'")
	if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > int(width) {
		b.t.Errorf("%s at %d px is %d px wide", name, width, wide)
	}
	if !eval[bool](b, `(a => !a || (r => r.left >= 0 && r.right <= innerWidth)(a.getBoundingClientRect()))(`+
		`document.querySelector(".side nav a[aria-current]"))`) {
		b.t.Errorf("%s at %d px: the page is not in sight in the navigation", name, width)
	}
	if dark == (width < 600) { // the colours of one width are those of the other
		b.accessible(fmt.Sprintf("%s at %d px, dark %v", name, width, dark))
	}
	theme := map[bool]string{false: "light", true: "dark"}[dark]
	b.shot(fmt.Sprintf("%s-%d-%s", name, width, theme))
}
