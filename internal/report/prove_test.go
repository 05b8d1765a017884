package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/prove"
)

func proveSample() *prove.Report {
	return &prove.Report{Version: 1, Verdict: prove.VerdictLeak,
		Context: prove.Context{Mode: "plain", Forgeable: true, Script: "SELECT 1;", Target: "shop", Role: "shop_app",
			ServerVersion: "15.4",
			Fingerprint:   "abc", Setting: "app.current_tenant", TenantA: "a", TenantB: "b",
			Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), DurationMS: 1500},
		Probes: []prove.Probe{
			{ID: "read:app.leads", Room: prove.Database, Attack: "read",
				Object: "app.leads", Verdict: prove.VerdictLeak,
				Reason: "2 rows came back <b>", Script: "BEGIN;\nSELECT '\x01';"},
			{ID: "insert:app.leads", Room: prove.Database, Attack: "insert",
				Object: "app.leads", Verdict: prove.VerdictIsolated, Reason: "refused",
				Script: "INSERT"},
			{ID: "view:app.v", Room: prove.Database, Attack: "view",
				Object: "app.v", Verdict: prove.VerdictUndecided, Reason: "ask again",
				Script: "SELECT"},
		},
		Shared:       []prove.Noted{{Object: "app.countries", Reason: "named under tables.shared"}},
		LeftOut:      []prove.Noted{{Object: "app.old", Reason: "named under tables.ignore"}},
		NotReachable: []prove.Noted{{Object: "app.secret", Reason: "the role has no right to it"}},
		Accepted: []prove.Accepted{{Attack: "duplicate key", Object: "app.users.users_email_key", Reason: "sign-in by email",
			Expires: "2027-01-31"}},
		NotTried: []string{"sequences"}}
}

// What is not isolated is said in each format, and with the verdict.
func TestProveSaysWhatIsNotIsolated(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(io.Writer, *prove.Report) error{
		"text": func(w io.Writer, r *prove.Report) error { return ProveText(w, r, false) },
		"json": ProveJSON, "junit": ProveJUnit, "html": ProveHTML} {
		var b bytes.Buffer
		if err := write(&b, proveSample()); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"app.countries", "app.old", "tables.ignore", "app.secret", "no right",
			"app.users.users_email_key", "2027-01-31",
			", not counting app.countries, which every tenant reads, nor app.old, left out"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
		if !strings.Contains(b.String(), "1 isolated, 1 leak, 1 undecided, 1 shared by every tenant, "+
			"1 left out, 1 not reachable, 1 accepted") {
			t.Errorf("%s: the verdict does not say so", name)
		}
	}
}

// The four things that OWASP's cheat sheet asks for are headings of the page.
func TestProvePageHasTheFourHeadings(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ProveHTML(&b, proveSample()); err != nil {
		t.Fatal(err)
	}
	for _, heading := range []string{"Coverage, derived from the catalogue", "The deployed role", "Connection reuse",
		"The authorization matrix"} {
		if !strings.Contains(b.String(), "<h2>"+heading+"</h2>") {
			t.Errorf("no heading %q", heading)
		}
	}
	if !strings.Contains(b.String(), "moat prove --pool attacks the pool") {
		t.Error("what was not tried of the pool is not said")
	}
}

func TestProveJSONKeepsItsKeys(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ProveJSON(&b, proveSample()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version int
		Verdict string
		Context map[string]any
		Probes  []map[string]string
		Tried   []string `json:"not_tried"`
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"id": "read:app.leads", "room": "database",
		"attack": "read", "object": "app.leads", "verdict": "leak",
		"reason": "2 rows came back <b>", "script": "BEGIN;\nSELECT '\x01';"}
	if diff := cmp.Diff(want, got.Probes[0]); diff != "" {
		t.Error(diff)
	}
	if got.Version != 1 || got.Verdict != "leak" || got.Context["mode"] != "plain" || got.Context["forgeable"] != true ||
		got.Context["script"] != "SELECT 1;" || len(got.Tried) != 1 {
		t.Errorf("got %s", b.String())
	}
}

func TestProveJSONOfAnEmptyReportHasLists(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ProveJSON(&b, prove.NewReport()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "null") {
		t.Errorf("null in %s", b.String())
	}
}

func TestProveJUnitCountsLeaksAsFailures(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ProveJUnit(&b, proveSample()); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	s := got.Suites[0]
	if s.Tests != 3 || s.Failures != 1 || s.Errors != 1 || s.Cases[0].Failure == nil || s.Cases[1].Failure != nil ||
		s.Cases[2].Error == nil {
		t.Errorf("got %+v", s)
	}
}

// The page is a file that is kept: it must need nothing from elsewhere.
func TestProvePageIsSelfContained(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ProveHTML(&b, proveSample()); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if m := regexp.MustCompile(`(?i)(src=|<link|<script|@import|url\(|https?://)`).FindString(page); m != "" {
		t.Errorf("the page refers elsewhere: %s", m)
	}
	for _, want := range []string{"shop_app", "PostgreSQL 15.4", "abc", "2026-01-02 03:04:05 UTC", "sequences",
		"version 1", `href="#p0"`, `id="p0"`, `id="p1"`, `id="p2"`, "2 rows came back &lt;b&gt;", "@media print"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, m := range regexp.MustCompile(`href="#(p\d+)"`).FindAllStringSubmatch(page, -1) {
		if strings.Count(page, `id="`+m[1]+`"`) != 1 {
			t.Errorf("a cell leads to %s, which is there %d times", m[1], strings.Count(page, `id="`+m[1]+`"`))
		}
	}
}

func TestProveTextNamesEachLeak(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := ProveText(&b, proveSample(), false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"leak read:app.leads", "undecided view:app.v", "Not tried",
		"3 probes, 1 isolated, 1 leak, 1 undecided", "can name any tenant"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colour without asking")
	}
}
