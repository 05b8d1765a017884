package audit

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/internal/releases"
	"github.com/moat-db/moat/internal/rules"
)

var update = flag.Bool("update", false, "write the page of releases anew")

// The page of releases says what the tables say.
func TestReleasesPage(t *testing.T) {
	t.Parallel()
	const page, start, end = "../docs/reference/releases.md", "-update -->\n", "<!-- end of releases -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, started := strings.Cut(string(text), start)
	got, tail, ended := strings.Cut(rest, end)
	if !started || !ended {
		t.Fatalf("%s has lost its markers", page)
	}
	want := releasesTables()
	if *update {
		if err := os.WriteFile(page, []byte(head+start+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not what the tables say; run go test ./audit -run TestReleasesPage -update (-tables +page)\n%s",
			page, diff)
	}
	for major, minor := range releases.November2026() {
		if minor != releases.Never && !strings.Contains(head, fmt.Sprintf("%d.%d", major, minor)) {
			t.Errorf("the head of %s does not name %d.%d", page, major, minor)
		}
	}
}

func releasesTables() string {
	var b strings.Builder
	b.WriteString("\n## Flaws in row-level security\n\n" +
		"| flaw | what an attacker gets | severity | fixed in |\n|---|---|---|---|\n")
	for _, x := range flaws() {
		id := strings.ToLower(x.cve)
		fmt.Fprintf(&b, "| [%s](../../internal/rules/%s.md) | %s | %s | %s |\n", x.cve, id, x.gets, x.severity, x.fixed)
	}
	b.WriteString("\n## Flaws that any role which can run SQL can use\n\n" +
		"No policy stands in their way. [`release-outdated`](../../internal/rules/release-outdated.md) names those of " +
		"a release.\n\n" +
		"| flaw | what it does | fixed in |\n|---|---|---|\n")
	for _, x := range exploits() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", x.cve, strings.Trim(x.how, "()"), x.fixed)
	}
	b.WriteString("\n## Major versions\n\n" +
		"[`release-ended`](../../internal/rules/release-ended.md) reports a major version that is no longer maintained.\n\n" +
		"| PostgreSQL | last release |\n|---|---|\n")
	for _, major := range slices.Backward(slices.Sorted(maps.Keys(ends()))) {
		fmt.Fprintf(&b, "| %d | %s |\n", major, ends()[major].Format("2 January 2006"))
	}
	b.WriteString("\n")
	return b.String()
}

// The page of a flaw names the releases that fixed it.
func TestFlawPagesNameTheReleases(t *testing.T) {
	t.Parallel()
	for _, x := range flaws() {
		text, err := fs.ReadFile(rules.Pages, strings.ToLower(x.cve)+".md")
		if err != nil {
			t.Fatal(err)
		}
		for major, minor := range x.fixed {
			if name := fmt.Sprintf("%d.%d", major, minor); minor != releases.Never && !strings.Contains(string(text), name) {
				t.Errorf("%s: the page does not name %s", x.cve, name)
			}
		}
	}
}
