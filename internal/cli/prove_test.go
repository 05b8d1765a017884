package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func TestProveReportsALeakAndExits1(t *testing.T) {
	t.Parallel()
	f := fixture(t, "V07")
	app := f.As(t, f.App)
	code, out, errs := command(t, "prove", f.URL, "--app-url", app, "--format", "json")
	if code != exitFound {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var r struct {
		Version int
		Verdict string
		Context struct{ Mode, Script string }
		Probes  []struct{ ID, Verdict, Script string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Version != 1 || r.Verdict != "leak" || r.Context.Mode != "plain" || r.Context.Script == "" {
		t.Errorf("got version %d, verdict %s, context %+v", r.Version, r.Verdict, r.Context)
	}
	code, script, errs := command(t, "prove", f.URL, "--app-url", app, "--script", "definer function:app.search(q text)")
	if code != exitOK || !strings.Contains(script, "app.search(") || !strings.Contains(script, "ROLLBACK;") {
		t.Errorf("exit %d: %s\n%s", code, errs, script)
	}
}

func TestProveOfAMendedFixtureExits0(t *testing.T) {
	t.Parallel()
	f := fixture(t, "V07")
	f.Mend(t)
	page := filepath.Join(t.TempDir(), "report.html")
	code, _, errs := command(t, "prove", f.URL, "--app-url", f.As(t, f.App), "--format", "html", "--output", page)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	text, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(text), "Isolation report") {
		t.Errorf("%v: %.100s", err, text)
	}
}

func TestProveUsageErrorsExit2(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"format":      {"prove", "postgres:///x", "--app-url", "postgres:///x", "--format", "pdf"},
		"set":         {"prove", "postgres:///x", "--app-url", "postgres:///x", "--set", "novalue"},
		"one token":   {"prove", "--http", "http://127.0.0.1:1", "--token", "a"},
		"unreachable": {"prove", "postgres://127.0.0.1:1/x", "--app-url", "postgres://127.0.0.1:1/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, out, errs := command(t, args...); code != exitError || out != "" || !strings.HasPrefix(errs, "moat: ") {
				t.Errorf("exit %d, out %q, err %q", code, out, errs)
			}
		})
	}
}

func TestProveAttacksThePoolToo(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the pool's own tests
	f := fixture(t, "V07")
	f.Mend(t)
	code, out, errs := command(t, "prove", f.URL, "--app-url", f.As(t, f.App), "--pool", "--format", "json")
	if code != exitOK || !strings.Contains(out, "interleaved borrowings:pool") ||
		!strings.Contains(out, "held cursor:pool (paranoid)") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
