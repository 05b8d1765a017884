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
		b.until("document.fonts.status === 'loaded'")
		if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > int(l.width) {
			b.t.Errorf("%s at %d px is %d px wide", name, l.width, wide)
		}
		b.accessible(fmt.Sprintf("%s at %d px, dark %v", name, l.width, l.dark))
		theme := map[bool]string{false: "light", true: "dark"}[l.dark]
		b.shot(fmt.Sprintf("%s-%d-%s", name, l.width, theme))
	}
}
