package cli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
)

func TestAccept(t *testing.T) {
	t.Parallel()
	f := fixture(t, "O01")
	file := filepath.Join(t.TempDir(), "baseline.yaml")
	const key = "app.doc.doc_email_key"
	for name, x := range map[string]struct {
		args []string
		says string
	}{
		"no reason":   {[]string{"key-unique", key, f.URL}, "needs a reason"},
		"no kind":     {[]string{"key-uniqe", key, f.URL, "--reason", "x"}, "no such kind"},
		"no object":   {[]string{"key-unique", "app.doc.none", f.URL, "--reason", "x"}, "is called"},
		"a past day":  {[]string{"key-unique", key, f.URL, "--reason", "x", "--expires", "2001-01-31"}, "has passed"},
		"no such day": {[]string{"key-unique", key, f.URL, "--reason", "x", "--expires", "soon"}, "no day"},
	} {
		args := append([]string{"accept", "--baseline", file}, x.args...)
		if code, _, errs := command(t, args...); code != exitError || !strings.Contains(errs, x.says) {
			t.Errorf("%s: exit %d, %s", name, code, errs)
		}
	}
	if code, _, errs := command(t, "accept", "key-unique", key, f.URL, "--baseline", file, "--reason",
		"people sign in by email"); code != exitOK {
		t.Fatalf("exit %d, %s", code, errs)
	}
	report := func() string {
		_, out, _ := command(t, "audit", f.URL, "--role", f.App, "--baseline", file, "--format", "markdown")
		return out
	}
	// Where the key hands out rows (CVE-2026-120154) nobody can accept it.
	readable := slices.Contains(audit.Flaws(f.Cluster().Version), "CVE-2026-120154")
	if out := report(); strings.Contains(out, "[key-unique]") != readable ||
		!readable && !strings.Contains(out, "people sign in by email") {
		t.Errorf("accepted, yet: %s", out)
	}
	f.Exec(t, "ALTER TABLE app.doc DROP CONSTRAINT doc_email_key, ADD CONSTRAINT doc_email_key UNIQUE (email, body)")
	if out := report(); !strings.Contains(out, "[key-unique]") || !readable && !strings.Contains(out, "has changed") {
		t.Errorf("changed, yet: %s", out)
	}
}
