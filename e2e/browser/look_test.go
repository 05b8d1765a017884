package browser

import (
	"fmt"
	"testing"
)

// looks are the widths and themes every page is seen in.
var looks = [...]struct {
	width int64
	dark  bool
}{{1440, false}, {1440, true}, {360, false}, {360, true}}

// look at the pages of a client: nothing is wider than the window.
func TestClientPagesLook(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.everyLook("sign-in", "/sign-in")
	b.signIn(0)
	lead := b.firstLead()
	for name, path := range map[string]string{"dashboard": "/dashboard", "list": "/t/leads",
		"list-empty": "/t/leads?q=nobodyhasthisname",
		"record":     lead, "form-new": "/t/leads/new", "campaigns": "/t/campaigns", "error": "/t/nothing"} {
		b.everyLook(name, path)
	}
}

func (b *tab) firstLead() string {
	b.t.Helper()
	b.open("/t/leads")
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
	if dark == (width < 600) { // the colours of one width are those of the other
		b.accessible(fmt.Sprintf("%s at %d px, dark %v", name, width, dark))
	}
	theme := map[bool]string{false: "light", true: "dark"}[dark]
	b.shot(fmt.Sprintf("%s-%d-%s", name, width, theme))
}
