package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const tutorial = "../../docs/tutorials/a-portal-under-your-name.md"

// What docs/tutorials/a-portal-under-your-name.md says, with the program and the lines of
// moat.yaml that stand there.
func TestTutorial(t *testing.T) {
	t.Parallel()
	dir, bin := t.TempDir(), filepath.Join(t.TempDir(), "moat")
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // PostgreSQL may run as another user
	build := exec.Command("go", "build", "-C", "../../cmd/moat", "-o", bin, ".")
	build.Env = append(os.Environ(), "GOWORK=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	began := time.Now()
	data := filepath.Join(dir, "agency")
	_, stop := runDemo(t, bin, data)
	stop()
	file := filepath.Join(data, "moat.yaml")
	text, err := os.ReadFile(file)
	must(t, err)
	changed := strings.Replace(string(text), "\nportal:\n", "\nportal:\n"+yamlOf(t, tutorial), 1)
	must(t, os.WriteFile(file, []byte(changed), 0o600))
	port, stop := runDemo(t, bin, data)
	defer stop()
	t.Logf("up with a brand after %.0f s", time.Since(began).Seconds())

	desk := newTab(t)
	desk.base = "http://127.0.0.1:" + port
	desk.open("/operator/sign-in")
	desk.follow(".gate .button.main")
	desk.follow(`a[href$="/operator/new"]`)
	desk.fill(`[name="set.name"]`, "Harbor Yoga")
	desk.fill(`[name="set.slug"]`, "harbor-yoga")
	desk.fill(`[name="set.parent_id"]`, string(shared.demo.Agency.Tenant))
	desk.fill("#reason", "Signed today")
	desk.follow("main form button")
	desk.has(".notice", "Created")
	desk.has(".timeline", "created the tenant")

	ada := atBrand(t, port, "Ada Meyer", "ada@harbor.example", "Harbor Yoga")
	ada.has(".who", "Ada Meyer · ada@harbor.example")
	ada.has(".brand", "Fieldstone")
	ada.follow(`nav a[href="/portal/t/leads"]`)
	ada.follow(`.head .actions .button.main`)
	ada.fill("#field-name", "Marta Lindqvist")
	ada.fill("#field-value", "1250")
	ada.follow(".form .button.main")
	ada.must(setValue("form.status select", "won"))
	ada.until(`document.querySelector("form.status .saved") !== null`)
	ada.shot("tutorial-lead-1440-light")

	finn := atBrand(t, port, "Finn", "finn@fieldstone.example", shared.demo.Agency.Name)
	finn.follow(`nav a[href="/portal/clients"]`)
	line := `[...document.querySelectorAll("tbody tr")].find(x => x.innerText.includes("Harbor Yoga"))`
	for _, want := range []string{"1.250", "€"} {
		if got := eval[string](finn, line+".innerText"); !strings.Contains(got, want) {
			t.Errorf("the agency sees no %s: %s", want, got)
		}
	}
	finn.shot("tutorial-clients-1440-light")
	eval[bool](finn, line+`.querySelector("a.name").id = "harbor" && true`)
	finn.follow("#harbor")
	finn.has("main", "Marta Lindqvist")
	finn.shot("tutorial-client-1440-light")
	ada.open("/access")
	ada.has("table", "Finn · finn@fieldstone.example of Fieldstone Marketing")
	ada.shot("tutorial-access-1440-light")
	t.Logf("walked after %.0f s", time.Since(began).Seconds())
}

// yamlOf is the first block of YAML on a page.
func yamlOf(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	_, after, _ := strings.Cut(string(text), "```yaml\n")
	block, _, found := strings.Cut(after, "```")
	if !found {
		t.Fatalf("%s has no YAML", page)
	}
	return block
}

// runDemo starts moat demo and returns its port.
func runDemo(t *testing.T, bin, data string) (port string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, bin, "demo", "--data", data, "--addr", "127.0.0.1:0", "--format", "json")
	c.Cancel, c.WaitDelay = func() error { return c.Process.Signal(syscall.SIGINT) }, patience
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	stop = func() { cancel(); _ = c.Wait() }
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	must(t, err)
	var up struct{ URL string }
	must(t, json.Unmarshal(line, &up))
	return up.URL[strings.LastIndex(up.URL, ":")+1:], stop
}

// atBrand is somebody who signs in at the agency's host, for an account.
func atBrand(t *testing.T, port, name, email, account string) *tab {
	t.Helper()
	b := newTab(t)
	b.base = "http://clients.localhost:" + port
	b.open("/sign-in")
	b.follow(`.gate a.button`)
	b.until(`document.querySelector("#account") !== null`)
	eval[bool](b, `(s => { s.value = [...s.options].find(o => o.text === `+quote(account)+`).value; return true })`+
		`(document.querySelector("#account"))`)
	b.signInAt(name, email)
	b.open("/dashboard")
	return b
}
