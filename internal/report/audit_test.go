package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/moat-db/moat/baseline"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/prove"
)

var update = flag.Bool("update", false, "rewrite the golden files of audit reports")

// sample is a report with one of everything, and with text that needs escaping.
func sample() *audit.Report {
	r := &audit.Report{Version: 1, Verdict: "2 leaks, 1 performance finding, 1 minor finding; 1 thing not checked",
		Database: "shop",
		Model: &catalog.Model{Column: "tenant_id", Type: "uuid", Setting: "app.current_tenant", Roles: []string{"shop_app"},
			Inferred: []string{"The tenant column is tenant_id, which 3 of 4 tables have and which refers to app.tenants."},
			Tables:   make([]catalog.TableModel, 4)},
		Unseen: []string{"The statistics of app.leads: shop_audit has no SELECT on it."}}
	r.Findings = []audit.Finding{
		{Rule: "rls-disabled", Severity: audit.Critical, Kind: audit.Leak, Object: "app.leads", Group: "app.leads",
			Message: "Every tenant can read every other tenant's rows, and change them where it has the privilege.",
			Why:     "The table has the tenant column tenant_id, but no policy is applied to it.",
			Fix: []string{"CREATE POLICY tenant_isolation ON app.leads AS RESTRICTIVE FOR ALL TO PUBLIC\n    USING      " +
				"(tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))",
				"ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY"},
			Holes: []string{"C01"}, Peer: "rls_disabled_in_public", File: "db/001_init.sql", Line: 7},
		{Rule: "func-secret", Severity: audit.Critical, Kind: audit.Leak, Object: "app.verify(text)",
			Group:   "app.verify(text)",
			Message: "Every role reads the key in pg_proc.", Why: "A <body> is \"readable\" & 100% public.", Fix: []string{},
			Decision: "Move the key, and use a new one."},
		{Rule: "perf-leaky-index", Severity: audit.Low, Kind: audit.Slow, Object: "app.leads.leads_search",
			Group:   "app.leads",
			Message: "Searches by lower(email) do not use the index.", Why: "Its operators are not leakproof.",
			Fix: []string{}, Decision: "Use a generated column."},
		{Rule: "session-temp", Severity: audit.Low, Kind: audit.Leak, Object: "shop", Group: "database",
			Message: "A temporary table takes the place of the real one.", Why: "TEMPORARY is given to PUBLIC by default.",
			Fix: []string{"REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC"}},
	}
	r.Accepted = []audit.Accepted{{Finding: audit.Finding{Rule: "key-tenant-partitions", Severity: audit.Medium,
		Object: "app.events", Group: "app.events",
		Message: "The list of tenants is public.", Why: "By design.", Fix: []string{}},
		Reason: "the list of tenants is on our web page", Expires: "2027-01-31"}}
	r.Reopened = []baseline.Reopened{{Entry: baseline.Entry{Kind: "key-unique", Object: "app.leads.leads_email_key"},
		Why: "the entry expired on 2025-12-31"}}
	return r
}

func render(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func formats() map[string]func(io.Writer) error {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return map[string]func(io.Writer) error{
		"text.txt":    func(w io.Writer) error { return report.AuditText(w, sample(), true, false) },
		"summary.txt": func(w io.Writer) error { return report.AuditText(w, sample(), false, false) },
		"colour.txt":  func(w io.Writer) error { return report.AuditText(w, sample(), true, true) },
		"report.json": func(w io.Writer) error { return report.JSON(w, sample()) },
		"junit.xml":   func(w io.Writer) error { return report.AuditJUnit(w, sample(), audit.Medium, now) },
		"report.md":   func(w io.Writer) error { return report.AuditMarkdown(w, sample()) },
		"github.txt":  func(w io.Writer) error { return report.AuditGitHub(w, sample(), audit.Medium) },
		"clean-text.txt": func(w io.Writer) error {
			return report.AuditText(w, &audit.Report{Verdict: "no findings"}, false,
				false)
		},
	}
}

func TestAuditGolden(t *testing.T) {
	t.Parallel()
	for name, write := range formats() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := withoutPassed(render(t, write))
			file := filepath.Join("testdata", "audit", name)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// withoutPassed takes out of JUnit's cases those of rules that found nothing, so that a
// new rule is no change of a golden file, and puts the number of those that are left.
func withoutPassed(text string) string {
	for _, rule := range audit.Rules() {
		var title strings.Builder
		xml.EscapeText(&title, []byte(rule.Title))
		passed := fmt.Sprintf("    <testcase name=%q classname=%q time=\"0\"></testcase>\n", title.String(), rule.ID)
		text = strings.Replace(text, passed, "", 1)
	}
	all := regexp.MustCompile(`tests="\d+"`)
	return all.ReplaceAllString(text, fmt.Sprintf(`tests="%d"`, strings.Count(text, "<testcase ")))
}

// Every rule is a case: what found nothing has passed.
func TestAuditJUnitCountsRules(t *testing.T) {
	t.Parallel()
	text := render(t, formats()["junit.xml"])
	for _, rule := range audit.Rules() {
		if n := strings.Count(text, fmt.Sprintf("classname=%q", rule.ID)); n != 1 {
			t.Errorf("%d cases of %s", n, rule.ID)
		}
	}
	const unseen = 1 // a case of its own
	if want := fmt.Sprintf(`tests="%d"`, len(audit.Rules())+unseen); !strings.Contains(text, want) {
		t.Errorf("the suite does not say %s", want)
	}
}

func TestAuditTextKeepsTo80Columns(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(render(t, formats()["text.txt"])) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// A build takes a line of output that begins with :: for a command to itself.
func TestAuditKeepsNamesInTheirLine(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Findings[0].Object, r.Findings[0].Group = "app.nl\n::error::made up", "app.nl\n::error::made up"
	for what, write := range map[string]func(io.Writer) error{
		"text":     func(w io.Writer) error { return report.AuditText(w, r, false, false) },
		"full":     func(w io.Writer) error { return report.AuditText(w, r, true, false) },
		"Markdown": func(w io.Writer) error { return report.AuditMarkdown(w, r) },
		"GitHub":   func(w io.Writer) error { return report.AuditGitHub(w, r, audit.Critical) },
		"prove": func(w io.Writer) error {
			return report.ProveText(w, &prove.Report{Probes: []prove.Probe{{Attack: "read", Object: r.Findings[0].Object,
				Verdict: prove.VerdictLeak}}}, false)
		},
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "made up") {
			t.Errorf("%s: the name is not there", what)
		}
		if regexp.MustCompile(`(?m)^\s*::error::made`).Match(b.Bytes()) {
			t.Errorf("%s: a name begins a line:\n%s", what, b.String())
		}
	}
}

// The schema is OASIS' own, sarif-2.1.0-rtm.5.
func TestAuditSARIFIsValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/audit/sarif-2.1.0-rtm.5.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*audit.Report{"full": sample(), "empty": {}} {
		var got any
		text := render(t, func(w io.Writer) error { return report.AuditSARIF(w, r, "v1.2.3") })
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := schema.Validate(map[string]any{"version": "2.1.0"}); err == nil {
		t.Error("the schema accepts a log without runs: it checks nothing")
	}
}
