package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// command runs moat in this process.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(context.Background(), args, IO{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// fixture sets up one hole of the catalogue.
func fixture(t *testing.T, id string) *audittest.Fixture {
	t.Helper()
	for _, h := range audittest.Holes(t) {
		if h.ID == id {
			return h.Setup(t, pgtest.Shared(t))
		}
	}
	t.Fatalf("no fixture %s", id)
	return nil
}

func TestAuditFindsAndExits1(t *testing.T) {
	t.Parallel()
	f := fixture(t, "P04")
	code, out, errs := command(t, "audit", f.URL, "--role", f.App, "--format", "json")
	if code != exitFound {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var r struct {
		Version  int
		Verdict  string
		Model    struct{ Column string }
		Findings []struct {
			Rule, Severity, Object, Message, Why string
			Fix                                  []string
		}
		Unseen []string
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	first := r.Findings[0]
	if r.Version != 1 || r.Model.Column != "tenant_id" || r.Unseen == nil || first.Rule != "policy-always-true" ||
		first.Severity != "critical" ||
		first.Object != "app.doc.iso" || first.Message == "" || first.Why == "" || len(first.Fix) != 1 {
		t.Errorf("report: %s", out)
	}
}

func TestAuditCleanExits0(t *testing.T) {
	t.Parallel()
	f := fixture(t, "P04")
	f.Mend(t)
	args := []string{"audit", "--database-url", f.URL, "--schema", "app", "--baseline", acceptServer(t, f.URL)}
	if code, out, errs := command(t, args...); code != exitOK {
		t.Errorf("exit %d: %s%s", code, errs, out)
	}
	if code, _, _ := command(t, "audit", f.URL, "--fail-on", "low"); code != exitFound {
		t.Errorf("exit %d with --fail-on low, want 1", code)
	}
}

// acceptServer returns a baseline that accepts what any role could do on the release that
// the tests run on.
func acceptServer(t *testing.T, url string) string {
	t.Helper()
	file := write(t, "server.yaml", "")
	for _, kind := range []string{"release-outdated", "release-ended"} { // whichever is found
		command(t, "accept", kind, "server", url, "--baseline", file, "--reason", "the release of the tests")
	}
	return file
}

// A role that may not look must not make the report clean.
func TestAuditUnseenExits2(t *testing.T) {
	t.Parallel()
	f := fixture(t, "P04")
	f.Mend(t)
	stranger := f.Role(t, "stranger", "LOGIN")
	code, out, errs := command(t, "audit", f.As(t, stranger), "--role", f.App, "--baseline", acceptServer(t, f.URL))
	if code != exitError || !strings.Contains(out, "Not seen:") || !strings.Contains(errs, "the report is incomplete") {
		t.Errorf("exit %d, %s%s", code, errs, out)
	}
}

func TestAuditFormats(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: report's own tests
	f := fixture(t, "O04")
	for format, want := range map[string]string{"text": " leak", "json": `"findings"`, "sarif": `"2.1.0"`,
		"junit": "<testsuites>", "markdown": "# moat audit", "github": "::error"} {
		if code, out, errs := command(t, "audit", f.URL, "--role", f.App, "--format", format); code != exitFound ||
			!strings.Contains(out, want) {
			t.Errorf("%s: exit %d: %s%s", format, code, errs, out)
		}
	}
	if code, _, _ := command(t, "audit", f.URL, "--format", "pdf"); code != exitError {
		t.Errorf("unknown format: exit %d", code)
	}
}

func TestAuditBaseline(t *testing.T) {
	t.Parallel()
	f := fixture(t, "P27")
	file := filepath.Join(t.TempDir(), "baseline.yaml")
	if code, _, errs := command(t, "audit", f.URL, "--write-baseline", file); code != exitError ||
		!strings.Contains(errs, "reason") {
		t.Errorf("without a reason: exit %d, %s", code, errs)
	}
	if code, _, errs := command(t, "audit", f.URL, "--role", f.App, "--write-baseline", file, "--reason",
		"a sample of holes"); code != exitOK {
		t.Fatalf("exit %d, %s", code, errs)
	}
	if code, out, errs := command(t, "audit", f.URL, "--role", f.App, "--baseline", file); code != exitOK ||
		!strings.Contains(out, "accepted") {
		t.Errorf("with the baseline: exit %d, %s%s", code, errs, out)
	}
	f.Exec(t, "GRANT TRUNCATE ON app.doc TO "+f.App)
	if code, out, _ := command(t, "audit", f.URL, "--role", f.App, "--baseline", file); code != exitFound ||
		!strings.Contains(out, "grant-truncate") {
		t.Errorf("a new hole beside the baseline: exit %d, %s", code, out)
	}
	if err := os.WriteFile(file, []byte("- {rule: rls-disabled, object: app.doc, reason: '  '}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "audit", f.URL, "--baseline", file); code != exitError ||
		!strings.Contains(errs, "gives no reason") {
		t.Errorf("without a reason in the file: exit %d, %s", code, errs)
	}
}

func TestBaselineNeverHoldsReadableRows(t *testing.T) {
	t.Parallel()
	f := fixture(t, "P04")
	file := filepath.Join(t.TempDir(), "baseline.yaml")
	if code, _, errs := command(t, "audit", f.URL, "--role", f.App, "--write-baseline", file, "--reason",
		"a sample of holes"); code != exitFound || !strings.Contains(errs, "policy-always-true") {
		t.Errorf("exit %d, %s", code, errs)
	}
	if code, _, errs := command(t, "accept", "policy-always-true", "app.doc.p", f.URL, "--baseline", file, "--reason",
		"no"); code != exitError || !strings.Contains(errs, "cannot be accepted") {
		t.Errorf("exit %d, %s", code, errs)
	}
	entries := "- {kind: policy-always-true, object: app.doc, reason: x, fingerprint: '0', expires: 2099-01-01}\n"
	if err := os.WriteFile(file, []byte(entries), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := command(t, "audit", f.URL, "--role", f.App, "--baseline", file); code != exitFound ||
		!strings.Contains(out, "do not count") {
		t.Errorf("exit %d, %s%s", code, errs, out)
	}
}
func TestAuditMigrations(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: internal/migrations
	code, out, errs := command(t, "audit", "--migrations", "../migrations/testdata/goose", "--format", "github")
	want := "::error file=../migrations/testdata/goose/00002_policy.sql,line=10,title=policy-always-true " +
		"public.leads.leads_all::"
	if code != exitFound || !strings.Contains(out, want) {
		t.Errorf("exit %d: %s%s", code, errs, out)
	}
}

func TestAuditProbesForCrossingRows(t *testing.T) {
	t.Parallel()
	f := fixture(t, "O03")
	f.Exec(t, "INSERT INTO app.line (id, tenant_id, doc_id) VALUES (9, '"+audittest.TenantA+"', 2)")
	_, out, _ := command(t, "audit", f.URL, "--role", f.App, "--format", "json")
	if !strings.Contains(out, "key-crossing-rows") || !strings.Contains(out, "1 row refers") {
		t.Errorf("one row of A refers to B's: %s", out)
	}
	if _, out, _ := command(t, "audit", f.URL, "--role", f.App, "--no-probe"); strings.Contains(out, "key-crossing-rows") {
		t.Errorf("probed in spite of --no-probe: %s", out)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, r := range audit.Rules() {
		if code, out, errs := command(t, "explain", r.ID); code != exitOK || !strings.HasPrefix(out, "# "+r.ID+"\n") {
			t.Errorf("%s: exit %d %s", r.ID, code, errs)
		}
	}
	if code, out, _ := command(t, "explain"); code != exitOK || !strings.Contains(out, "key-foreign-key") {
		t.Errorf("list: exit %d", code)
	}
	if code, _, errs := command(t, "explain", "no-such-rule"); code != exitError ||
		!strings.Contains(errs, "no such rule") {
		t.Errorf("unknown rule: exit %d %s", code, errs)
	}
}
