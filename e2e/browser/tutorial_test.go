package browser

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const tutorial = "../../docs/tutorials/a-portal-under-your-name.md"

// startDemo runs moat demo as the tutorial does, until it answers, and returns what stops it.
func startDemo(t *testing.T, moat, folder, address string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	demo := exec.CommandContext(ctx, moat, "demo", "--data", folder, "--addr", address)
	demo.Cancel = func() error { return demo.Process.Signal(os.Interrupt) }
	demo.WaitDelay, demo.Stderr = time.Minute, os.Stderr
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	up := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "/portal") {
				select {
				case up <- true:
				default:
				}
			}
		}
		close(up)
	}()
	select {
	case ok := <-up:
		if !ok {
			t.Fatal("moat demo ended")
		}
	case <-time.After(2 * patience):
		t.Fatal("moat demo does not come up")
	}
	return func() { cancel(); _ = demo.Wait() }
}

// brand is what the tutorial has its reader put into moat.yaml.
func brand(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(tutorial)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("the tutorial has no block of yaml")
	}
	return string(m[1])
}

// The tutorial: an agency sets its brand, adds a client, and invites its first person, who signs in,
// accepts, and changes a lead; and the agency sees it.
func TestTutorialOfThePortal(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	// Of root's, PostgreSQL runs as somebody else, who must get to the folder.
	if err := errors.Join(os.Chmod(filepath.Dir(home), 0o755), os.Chmod(home, 0o755)); err != nil {
		t.Fatal(err)
	}
	moat, folder := filepath.Join(home, "moat"), filepath.Join(home, "agency")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", moat, "./cmd/moat").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	startDemo(t, moat, folder, address)()
	yaml := filepath.Join(folder, "moat.yaml")
	text, err := os.ReadFile(yaml)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), "  operator_issuers:")
	if !ok {
		t.Fatalf("moat.yaml has no operator_issuers:\n%s", text)
	}
	if err := os.WriteFile(yaml, []byte(before+brand(t)+"  operator_issuers:"+after), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(startDemo(t, moat, folder, address))
	_, port, _ := net.SplitHostPort(address)
	clients := "http://clients.localhost:" + port + "/portal"

	desk := newTab(t)
	desk.base = "http://" + address
	desk.open("/operator/new")
	desk.fill("#reason", "A new client")
	desk.follow(".gate .button.main")
	desk.has(".brand", "Fieldstone desk")
	desk.open("/operator/")
	desk.follow(`a[href$="/operator/new"]`)
	desk.fill(`[name="set.name"]`, "Harbor Yoga")
	desk.fill(`[name="set.slug"]`, "harbor-yoga")
	desk.has(`[name="set.parent_id"] option:checked`, "Fieldstone Marketing")
	desk.everyPage("tutorial-new-client")
	desk.fill(`main [name="reason"]`, "A new client")
	desk.follow("main form button")
	desk.has("main", "Created.")
	desk.fill("#invite-email", "ada@harbor.example")
	desk.fill("#invite-reason", "Her first sign-in")
	desk.follow(`form[action$="/invite"] button`)
	link := desk.text("#link")
	if !strings.HasPrefix(link, clients+"/invitation/") {
		t.Fatalf("the link is %s", link)
	}
	desk.everyPage("operator-invited")

	ada := newTab(t)
	ada.visit(link)
	ada.has(".gate", "You are invited.")
	ada.everyPage("tutorial-sign-in")
	ada.follow(".gate a.button")
	ada.until(`document.querySelector("#account") !== null`)
	ada.choose("Harbor Yoga")
	ada.signInAt("Ada Meyer", "ada@harbor.example")
	ada.has("h1", "Join Harbor Yoga")
	ada.everyPage("invitation")
	ada.follow("main form button")
	ada.has(".who", "Ada Meyer")
	ada.follow(`nav a[href="/portal/people"]`)
	ada.until(`[...document.querySelectorAll("main tr")].some(row => /Ada Meyer\s+You\s.*owner/is.test(row.innerText))`)
	ada.has("#invite", "Invite somebody")
	ada.follow(`nav a[href="/portal/t/leads"]`)
	ada.follow(`a[href$="/t/leads/new"]`)
	ada.fill("#field-name", "Marta Lindqvist")
	ada.fill("#field-value", "1250")
	ada.follow(".form .button.main")
	ada.must(chromedp.SetValue(chromedp.CSS("form.status select"), "won"))
	ada.until(`document.querySelector("form.status .saved") !== null`)
	ada.follow(`nav a[href="/portal/t/leads"]`)
	ada.has("#results tbody", "Marta Lindqvist")

	finn := newTab(t)
	finn.visit(clients + "/sign-in")
	finn.follow(".gate a.button")
	finn.until(`document.querySelector("#account") !== null`)
	finn.choose("Fieldstone Marketing")
	finn.signInAt("Finn", "finn@fieldstone.example")
	finn.follow(`nav a[href="/portal/clients"]`)
	finn.until(`[...document.querySelectorAll("main tr")].some(
		row => /Harbor Yoga\s+1\s+1\s+1.250\s€\s+just now/.test(row.innerText))`)
	finn.everyPage("tutorial-agency")
	eval[bool](finn, `[...document.querySelectorAll("a.name")].find(a => a.innerText === "Harbor Yoga").click() || true`)
	finn.has("h1", "Harbor Yoga")
	finn.has("main", "Marta Lindqvist")

	ada.follow(`nav a[href="/portal/data"]`)
	ada.has("#main", "Finn")
	ada.has("#main", "of Fieldstone Marketing")
}

// choose picks an account at the demo's provider.
func (b *tab) choose(name string) {
	b.t.Helper()
	eval[bool](b, `[...document.querySelectorAll("#account option")].some(o => o.textContent.trim() === `+quote(name)+
		` && (o.selected = true))`)
}
