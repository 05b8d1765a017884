package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeVersion is the version of axe-core that judges the pages.
const axeVersion = "4.14.1"

// axe is the text of axe-core, from npm, kept in the user's cache.
var axe = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "moat-test", "axe-core-"+axeVersion)
	file := filepath.Join(dir, "node_modules", "axe-core", "axe.min.js")
	if text, err := os.ReadFile(file); err == nil {
		return string(text), nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	out, err := exec.Command("npm", "install", "--no-package-lock", "--no-save", "--ignore-scripts", "--no-audit",
		"--no-fund", "--prefix", dir, "axe-core@"+axeVersion).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("npm install axe-core: %w\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	return string(text), err
})

// violation is a finding of axe.
type violation struct {
	ID, Impact, Help string
	Targets          []string
}

// accessible runs axe on the page: nothing serious or critical.
func (b *tab) accessible(name string) {
	b.t.Helper()
	source, err := axe()
	if err != nil {
		b.t.Fatal(err)
	}
	if !eval[bool](b, "typeof window.axe === 'object'") {
		eval[bool](b, source+"; true")
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]violation](`axe.run(document,`+
		` {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help,`+
		` Targets: v.nodes.slice(0, 4).map(n => n.target.join(" ") + " " + (n.any[0] ? n.any[0].message : ""))})))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe on %s: %v", name, err)
	}
	for _, v := range found {
		text := fmt.Sprintf("%s: %s (%s): %s\n  %s", name, v.ID, v.Impact, v.Help, strings.Join(v.Targets, "\n  "))
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Error(text)
			continue
		}
		b.t.Log(text)
	}
}

// TestAxeFinds shows that the pass means something: a page with a mistake fails it.
func TestAxeFinds(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.open("/sign-in")
	eval[bool](b, `document.querySelector("main").insertAdjacentHTML("beforeend", "<input><button></button>"); true`)
	probe := &tab{t: &testing.T{}, ctx: b.ctx}
	probe.accessible("broken")
	if !probe.t.Failed() {
		t.Error("axe finds nothing on a page with a nameless button")
	}
}
