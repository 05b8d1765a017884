package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
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
			{ID: "read:app.leads", Attack: "read", Object: "app.leads", Verdict: prove.VerdictLeak,
				Reason: "2 rows came back <b>", Script: "BEGIN;\nSELECT '\x01';"},
			{ID: "insert:app.leads", Attack: "insert", Object: "app.leads", Verdict: prove.VerdictIsolated, Reason: "refused",
				Script: "INSERT"},
			{ID: "view:app.v", Attack: "view", Object: "app.v", Verdict: prove.VerdictUndecided, Reason: "ask again",
				Script: "SELECT"},
		},
		NotTried: []string{"sequences"}}
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
	want := map[string]string{"id": "read:app.leads", "attack": "read", "object": "app.leads", "verdict": "leak",
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
	if err := ProveJSON(&b, &prove.Report{Version: 1, Probes: []prove.Probe{}, NotTried: []string{}}); err != nil {
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
		"3 probes, 1 isolated, 1 leaks, 1 undecided", "can name any tenant"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colour without asking")
	}
}
