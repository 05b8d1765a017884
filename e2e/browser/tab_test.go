package browser

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// tab is one visitor: a tab with cookies of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string // of the server
}

// patience is how long an answer may take: a busy machine is no fault of a page.
const patience = time.Minute

func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(shared.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	// The tab lives as long as the context of its first step.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, ctx: ctx, base: shared.server.URL}
	b.look(1440, false)
	return b
}

// must runs steps and ends the test when one fails.
func (b *tab) must(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		_ = os.MkdirAll(artifacts(b.t), 0o755)
		b.shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
		b.t.Fatalf("%v\nat %s\n%s", err, b.where(), clip(b.text("body"), 1500))
	}
}

func clip(s string, n int) string { return s[:min(n, len(s))] }

func (b *tab) open(path string) {
	b.t.Helper()
	b.must(chromedp.Navigate(b.base+"/portal"+path), chromedp.WaitReady(chromedp.CSS("main")))
}

func (b *tab) where() string {
	at, _ := chromedp.Run(b.ctx, chromedp.Location())
	return strings.TrimPrefix(at, b.base)
}

// text is the visible text of what a selector finds first.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, "(document.querySelector("+quote(selector)+") || {innerText: ''}).innerText")
}

func quote(s string) string { return "`" + strings.ReplaceAll(s, "`", "\\`") + "`" }

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", clip(expression, 200), err)
	}
	return v
}

func (b *tab) has(selector, want string) {
	b.t.Helper()
	if err := b.wait("(document.querySelector(" + quote(selector) + ") || {innerText: ''}).innerText.includes(" +
		quote(want) + ")"); err != nil {
		b.t.Fatalf("%s at %s does not say %q but:\n%s", selector, b.where(), want, clip(b.text(selector), 1500))
	}
}

// click presses what a selector finds, and waits until an answer is there.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.must(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

// hold clicks as a hand does, which holds the button for longer than an answer takes: what is
// replaced between down and up is not clicked.
func (b *tab) hold(selector string) {
	b.t.Helper()
	b.must(chromedp.ScrollIntoView(chromedp.CSS(selector)))
	at := eval[[]float64](b, "(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector("+quote(selector)+
		").getBoundingClientRect())")
	mouse := func(typ input.DispatchMouseEventType) chromedp.Action[chromedp.Void] {
		return chromedp.MouseEvent(typ, at[0], at[1], chromedp.ButtonLeft, chromedp.ClickCount(1))
	}
	b.must(mouse(chromedp.MousePressed))
	time.Sleep(600 * time.Millisecond)
	b.must(mouse(chromedp.MouseReleased))
}

// follow clicks and waits for another page.
func (b *tab) follow(selector string) {
	b.t.Helper()
	eval[bool](b, "window.old = true")
	b.click(selector)
	b.until("window.old === undefined && document.readyState === 'complete'")
}

func (b *tab) until(expression string) {
	b.t.Helper()
	if err := b.wait(expression); err != nil {
		b.t.Fatalf("waited in vain at %s for %s (%v)", b.where(), expression, err)
	}
}

// wait asks until the answer is true. A page that is just being left gives none, which is no failure.
func (b *tab) wait(expression string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(25 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if ok && err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			b.shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
			return errors.Join(errors.New("it is not so"), err)
		}
	}
}

func (b *tab) fill(selector, value string) {
	b.t.Helper()
	b.must(chromedp.SetValue(chromedp.CSS(selector), value))
}

// signIn picks a client of the demo.
func (b *tab) signIn(client int) {
	b.t.Helper()
	b.open("/sign-in")
	b.follow(`button[value="` + string(shared.demo.Clients[client].Tenant) + `"]`)
}

// look sets the width of the window and the theme.
func (b *tab) look(width int64, dark bool) {
	b.t.Helper()
	theme := "light"
	if dark {
		theme = "dark"
	}
	height := int64(900)
	if width < 600 {
		height = 740
	}
	b.must(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		return err
	}))
}

func artifacts(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../artifacts/portal")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// shot keeps a picture of the whole page.
func (b *tab) shot(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("picture %s: %v", name, err)
		return
	}
	if err := os.MkdirAll(artifacts(b.t), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artifacts(b.t), name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
